/* SPDX-License-Identifier: MIT */
/* Names of AF_UNIX: a file of the tree of names, or bytes of their own ("abstract"). unix(7). */
#include "lib/base/errno.h"
#include "lib/base/printf.h"
#include "lib/base/string.h"
#include "lib/hash.h"
#include "managers/processor/fs/fs.h"
#include "managers/processor/process/process.h"
#include "managers/processor/random.h"
#include "managers/processor/socket/socket.h"

#define NAME_BITS	6
#define PATH_AT		2		/* where the name begins in an address */

static struct list names[1 << NAME_BITS];	/* [net_lock] by name_link */

static struct list *bucket(u64 hash)
{
	struct list *b = &names[hash_bits(hash, NAME_BITS)];

	if (b->next == NULL)
		list_init(b);
	return b;
}

static bool is_abstract(const struct address *a)
{
	return a->un.path[0] == '\0';
}

static u64 abstract_hash(const struct address *a)
{
	return hash_bytes(a->bytes, a->len);
}

static u64 inode_hash(const struct inode *i)
{
	return hash64_2(i->dev, i->ino);
}

static int unix_check(const struct address *a)
{
	if (a->len <= PATH_AT || a->len > sizeof(a->un))
		return -EINVAL;
	return a->family == AF_UNIX ? 0 : -EINVAL;
}

/* The path as a string; what stands behind its NUL does not count. */
static u32 path_of(const struct address *a, char path[sizeof(a->un.path) + 1])
{
	u32 n = 0;

	while (PATH_AT + n < a->len && a->un.path[n] != '\0') {
		path[n] = a->un.path[n];
		n++;
	}
	path[n] = '\0';
	return n;
}

/* --- the table; net_lock held --- */

/* Each type has names of its own here; a file is one for all. */
static struct socket *abstract_find(const struct socket_kind *kind, const struct address *a)
{
	struct socket *s;

	list_for_each(s, bucket(abstract_hash(a)), name_link)
		if (s->inode == NULL && s->kind == kind && s->local.len == a->len && memcmp(s->local.bytes, a->bytes, a->len) == 0)
			return s;
	return NULL;
}

static struct socket *inode_find(const struct inode *i)
{
	struct socket *s;

	list_for_each(s, bucket(inode_hash(i)), name_link)
		if (s->inode != NULL && s->inode->dev == i->dev && s->inode->ino == i->ino && s->inode->gen == i->gen)
			return s;
	return NULL;
}

static void name_set(struct socket *s, const struct address *a, u64 hash)
{
	spin_lock(&s->lock);
	s->local = *a;
	spin_unlock(&s->lock);
	list_add_head(bucket(hash), &s->name_link);
}

static int abstract_bind(struct socket *s, const struct address *a)
{
	int rc = 0;

	mutex_lock(&net_lock);
	if (s->local.len != 0)
		rc = -EINVAL;
	else if (abstract_find(s->kind, a) != NULL)
		rc = -EADDRINUSE;
	else
		name_set(s, a, abstract_hash(a));
	mutex_unlock(&net_lock);
	return rc;
}

/* A name of five digits that nobody has. */
static int unix_autobind(struct socket *s)
{
	struct address a = { .family = AF_UNIX };
	u32 n;

	if (s->local.len != 0)
		return 0;
	for (unsigned tries = 0; tries < 1 << 20; tries++) {
		random_bytes(&n, sizeof(n));
		a.len = PATH_AT + 1 + snprintf(a.un.path + 1, 6, "%05x", n & 0xfffff);
		if (abstract_find(s->kind, &a) == NULL) {
			name_set(s, &a, abstract_hash(&a));
			return 0;
		}
	}
	return -ENOSPC;
}

static int path_bind(struct socket *s, const struct address *a)
{
	const struct new_file how = { .mode = S_IFSOCK | 0777 };
	struct fs_context *c = task_current()->fs;
	char path[sizeof(a->un.path) + 1];
	struct address name = { .family = AF_UNIX };
	struct dentry *d;
	int rc;

	name.len = PATH_AT + path_of(a, path) + 1;
	memcpy(name.un.path, path, name.len - PATH_AT <= sizeof(name.un.path) ? name.len - PATH_AT : sizeof(name.un.path));
	rc = fs_mknod(c, NULL, path, &how);
	if (rc < 0)
		return rc == -EEXIST ? -EADDRINUSE : rc;
	rc = fs_lookup(c, NULL, path, 0, &d);
	if (rc < 0)
		return rc;
	mutex_lock(&net_lock);
	if (s->local.len != 0) {
		rc = -EINVAL;
	} else {
		s->inode = dentry_inode(d);
		inode_get(s->inode);
		name_set(s, &name, inode_hash(s->inode));
	}
	mutex_unlock(&net_lock);
	dentry_put(d);
	if (rc < 0 && fs_unlink(c, NULL, path, false) < 0)
		return -EINVAL;			/* somebody else removed it */
	return rc;
}

static int unix_bind(struct socket *s, const struct address *a)
{
	int rc;

	if (a->len == PATH_AT && a->family == AF_UNIX) {
		mutex_lock(&net_lock);
		rc = unix_autobind(s);
		mutex_unlock(&net_lock);
		return rc;
	}
	rc = unix_check(a);
	if (rc < 0)
		return rc;
	return is_abstract(a) ? abstract_bind(s, a) : path_bind(s, a);
}

static void unix_unbind(struct socket *s)
{
	struct inode *i = s->inode;

	list_del(&s->name_link);
	s->inode = NULL;
	if (i != NULL)
		inode_put(i);
}

/* The file behind the path, which the caller may write to. */
static int path_inode(const struct address *a, struct inode **out)
{
	char path[sizeof(a->un.path) + 1];
	struct dentry *d;
	int rc;

	(void)path_of(a, path);
	rc = fs_lookup(task_current()->fs, NULL, path, WALK_FOLLOW, &d);
	if (rc < 0)
		return rc;
	rc = fs_permission(dentry_inode(d), MAY_WRITE);
	if (rc == 0 && dentry_inode(d)->type != S_IFSOCK)
		rc = -ECONNREFUSED;
	if (rc == 0)
		inode_get(*out = dentry_inode(d));
	dentry_put(d);
	return rc;
}

static int unix_find(struct socket *s, const struct address *a, struct socket **out)
{
	struct inode *i = NULL;
	int rc = is_abstract(a) ? 0 : path_inode(a, &i);

	if (rc < 0)
		return rc;
	mutex_lock(&net_lock);
	*out = i != NULL ? inode_find(i) : abstract_find(s->kind, a);
	if (*out == NULL)
		rc = -ECONNREFUSED;
	else if ((*out)->kind != s->kind)
		rc = -EPROTOTYPE;
	else
		socket_get(*out);
	mutex_unlock(&net_lock);
	if (i != NULL)
		inode_put(i);
	return rc;
}

#define UNIX_KIND .family = AF_UNIX, .check = unix_check, .bind = unix_bind, .autobind = unix_autobind, .find = unix_find, \
		  .unbind = unix_unbind
const struct socket_kind unix_stream = { UNIX_KIND, .type = SOCK_STREAM, .stream = true, .connected = true };
const struct socket_kind unix_dgram = { UNIX_KIND, .type = SOCK_DGRAM };
const struct socket_kind unix_seqpacket = { UNIX_KIND, .type = SOCK_SEQPACKET, .connected = true };
