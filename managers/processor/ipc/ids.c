/* SPDX-License-Identifier: MIT */
/* System V IPC: the table of a kind, permissions. An identifier is a slot's index and a number that differs from use to use. */
#include "managers/processor/ipc/ids.h"

#include "arch/x86/uaccess.h"
#include "kernel/time.h"
#include "lib/base/errno.h"
#include "lib/base/string.h"
#include "managers/processor/process/process.h"
#include "mm/frame.h"
#include "mm/slab.h"

#define INDEX_BITS	15
#define SEQ_MAX		0xffff
#define ROOM_FIRST	16

u64 ipc_now(void)
{
	return time_wall_ns() / NSEC_PER_SEC;
}

void ipc_put(struct ipc_kind *k, struct ipc_object *o)
{
	if (ref_put(&o->refs))
		k->free(o);
}

struct ipc_object *ipc_find_index(struct ipc_kind *k, s32 index)
{
	assert_held(&k->lock);
	return index >= 0 && (u32)index < k->room ? k->slot[index] : NULL;
}

struct ipc_object *ipc_find(struct ipc_kind *k, s32 id)
{
	struct ipc_object *o = id < 0 ? NULL : ipc_find_index(k, id & ((1 << INDEX_BITS) - 1));

	return o != NULL && o->id == (u32)id ? o : NULL;
}

s64 ipc_last_index(const struct ipc_kind *k)
{
	for (u32 i = k->room; i > 0; i--)
		if (k->slot[i - 1] != NULL)
			return i - 1;
	return 0;
}

static struct ipc_object *find_key(struct ipc_kind *k, s32 key)
{
	for (u32 i = 0; i < k->room && key != IPC_PRIVATE; i++)
		if (k->slot[i] != NULL && k->slot[i]->key == key)
			return k->slot[i];
	return NULL;
}

/* Room for one more: 0 or -ENOMEM. Lock not held; another may take it before the caller does. */
static int make_room(struct ipc_kind *k)
{
	struct ipc_object **bigger, **old;
	u32 room = READ_ONCE(k->room), more = room == 0 ? ROOM_FIRST : MIN(room * 2, k->most);

	if (READ_ONCE(k->used) < room)
		return 0;
	bigger = kcalloc(more, sizeof(*bigger));
	if (bigger == NULL)
		return -ENOMEM;
	old = bigger;
	spin_lock(&k->lock);
	if (k->room == room) {
		if (room != 0)
			memcpy(bigger, k->slot, room * sizeof(*bigger));
		old = k->slot;
		k->slot = bigger;
		k->room = more;
	}
	spin_unlock(&k->lock);
	kfree(old);
	return 0;
}

static s64 add_locked(struct ipc_kind *k, struct ipc_object *o, s32 key, u32 mode)
{
	const struct credentials *c = &process_current()->cred;
	u32 i = 0;

	while (k->slot[i] != NULL)
		i++;
	ref_init(&o->refs, 1);
	o->key = key;
	o->id = k->seq << INDEX_BITS | i;
	k->seq = (k->seq + 1) & SEQ_MAX;
	o->uid = o->cuid = c->euid;
	o->gid = o->cgid = c->egid;
	o->mode = mode & 0777;
	k->slot[i] = o;
	k->used++;
	return o->id;
}

static s64 get_old_locked(struct ipc_kind *k, const struct ipc_object *o, u64 size, u32 flags)
{
	int rc;

	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	rc = k->fits(o, size);
	if (rc == 0)
		rc = ipc_may(o, flags);
	return rc < 0 ? rc : (s64)o->id;
}

s64 ipc_get(struct ipc_kind *k, s32 key, u64 size, u32 flags)
{
	struct ipc_object *made = NULL, *old;
	s64 rc;

	for (;;) {
		spin_lock(&k->lock);
		old = find_key(k, key);
		if (old != NULL) {
			rc = get_old_locked(k, old, size, flags);
		} else if (key != IPC_PRIVATE && !(flags & IPC_CREAT)) {
			rc = -ENOENT;
		} else if (made == NULL || k->used == k->room) {
			rc = k->used == k->most ? -ENOSPC : -EAGAIN;
		} else {
			rc = add_locked(k, made, key, flags);
			made = NULL;
		}
		spin_unlock(&k->lock);
		if (rc != -EAGAIN)
			break;
		rc = made != NULL ? 0 : !frames_to_spare() ? -ENOMEM : k->make(size, key, flags, &made);
		if (rc == 0)
			rc = make_room(k);
		if (rc < 0)
			break;
	}
	if (made != NULL)
		k->free(made);
	return rc;
}

s64 ipc_stat(struct ipc_kind *k, s32 id, enum ipc_by by, u64 user)
{
	u64 shown[IPC_SHOWN_MAX / 8];
	struct ipc_object *o;
	s64 rc;

	spin_lock(&k->lock);
	o = by == IPC_BY_ID ? ipc_find(k, id) : ipc_find_index(k, id);
	rc = o == NULL ? -EINVAL : by == IPC_BY_INDEX_ANY ? 0 : ipc_may(o, IPC_MAY_READ);
	if (rc == 0) {
		k->show(o, shown);
		rc = by == IPC_BY_ID ? 0 : (s64)o->id;
	}
	spin_unlock(&k->lock);
	return rc >= 0 && copy_to_user(user, shown, k->shown) < 0 ? -EFAULT : rc;
}

s64 ipc_control(struct ipc_kind *k, s32 id, int (*change)(struct ipc_object *o, const void *arg), const void *arg)
{
	struct ipc_object *o;
	int rc;

	spin_lock(&k->lock);
	o = ipc_find(k, id);
	rc = o == NULL ? -EINVAL : ipc_may_control(o);
	if (rc == 0)
		rc = change(o, arg);
	spin_unlock(&k->lock);
	if (rc != IPC_REMOVED)
		return rc;
	ipc_put(k, o);
	return 0;
}

bool ipc_peek(struct ipc_kind *k, u32 index, u32 *id, void *out)
{
	struct ipc_object *o;

	spin_lock(&k->lock);
	o = ipc_find_index(k, index);
	if (o != NULL) {
		*id = o->id;
		k->show(o, out);
	}
	spin_unlock(&k->lock);
	return o != NULL;
}

void ipc_remove(struct ipc_kind *k, struct ipc_object *o)
{
	assert_held(&k->lock);
	k->slot[o->id & ((1 << INDEX_BITS) - 1)] = NULL;
	k->used--;
	o->gone = true;
}

int ipc_may(const struct ipc_object *o, u32 want)
{
	const struct credentials *c = &process_current()->cred;
	u32 has = o->mode;

	want = (want >> 6 | want >> 3 | want) & 7;
	if (c->euid == o->uid || c->euid == o->cuid)
		has >>= 6;
	else if (c->egid == o->gid || c->egid == o->cgid || credentials_in_group(o->gid) || credentials_in_group(o->cgid))
		has >>= 3;
	return (want & ~has & 7) != 0 && !capable(CAP_IPC_OWNER) ? -EACCES : 0;
}

int ipc_may_control(const struct ipc_object *o)
{
	u32 euid = process_current()->cred.euid;

	return euid == o->uid || euid == o->cuid || capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

void ipc_show(const struct ipc_object *o, struct ipc_perm_abi *out)
{
	*out = (struct ipc_perm_abi){ .key = o->key, .uid = o->uid, .gid = o->gid, .cuid = o->cuid, .cgid = o->cgid, .mode = o->mode,
				      .seq = o->id >> INDEX_BITS };
}

int ipc_set(struct ipc_object *o, const struct ipc_perm_abi *in)
{
	if (in->uid == ~0U || in->gid == ~0U)
		return -EINVAL;
	o->uid = in->uid;
	o->gid = in->gid;
	o->mode = (o->mode & ~0777U) | (in->mode & 0777);
	return 0;
}
