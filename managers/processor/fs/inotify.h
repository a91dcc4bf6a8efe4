/* SPDX-License-Identifier: MIT */
/*
 * inotify(7): what happens to files is told to those who watch them. Who changes names, data or attributes calls one of these
 * afterwards; while nobody watches anything, that costs a look at a word. May sleep; tree_mutex and inner locks not held.
 */
#ifndef MANAGERS_PROCESSOR_FS_INOTIFY_H
#define MANAGERS_PROCESSOR_FS_INOTIFY_H

#include "managers/processor/fs/fs.h"

#define IN_ACCESS	1
#define IN_MODIFY	2
#define IN_ATTRIB	4
#define IN_CLOSE_WRITE	8
#define IN_CLOSE_NOWRITE 0x10
#define IN_OPEN		0x20
#define IN_MOVED_FROM	0x40
#define IN_MOVED_TO	0x80
#define IN_CREATE	0x100
#define IN_DELETE	0x200
#define IN_DELETE_SELF	0x400
#define IN_MOVE_SELF	0x800

extern u32 inotify_watches;		/* [a] how many there are */
static inline bool inotify_any(void) { return READ_ONCE(inotify_watches) != 0; }

void inotify_tell_file(struct file *f, u32 event);
void inotify_tell_inode(struct inode *i, u32 event);

/* To an open file, and to the folder that it was opened in: IN_ACCESS, IN_MODIFY, IN_OPEN, IN_CLOSE_*. */
static inline void inotify_file(struct file *f, u32 event)
{
	if (inotify_any() && f->inode != NULL)
		inotify_tell_file(f, event);
}

/* The same to a file that is known by its inode alone: its folder hears of it under a name that is cached, if one is. */
static inline void inotify_inode(struct inode *i, u32 event)
{
	if (inotify_any())
		inotify_tell_inode(i, event);
}

/* A name in a folder: IN_CREATE, IN_DELETE, IN_MOVED_*. mode: of what it names; cookie: what two events of a rename share, or 0 */
void inotify_name(struct inode *dir, const char *name, u32 event, u32 mode, u32 cookie);
void inotify_self(struct inode *i, u32 event);		/* to who watches it, but not its folder: IN_MOVE_SELF, a link's IN_ATTRIB */
u32 inotify_cookie(void);
/* It is gone for good: IN_DELETE_SELF, and its watches with it. Sleeps not; also under tree_mutex. */
void inotify_gone(struct inode *i);

#endif
