/* SPDX-License-Identifier: MIT */
/* Attributes that are kept: see attr_cache.h. Changes are counted in buckets of files, and once more in all. */
#include "managers/processor/fs/attr_cache.h"

#include "kernel/time.h"
#include "lib/hash.h"
#include "mm/slab.h"

#define BUCKET_BITS	8

struct attr_saved {		/* of an inode */
	u64 changes;		/* of its bucket and of unknown files, that had ended when it was right */
	u64 until_ns;
	struct attr attr;
};

struct changes { u64 ended; u64 rights; u32 under_way; };	/* rights: all.ended after the last that changed some */

static DEFINE_SPINLOCK(attr_lock, RANK_LEAF);
static struct changes buckets[1 << BUCKET_BITS];	/* [attr_lock] */
static struct changes unknown;				/* [attr_lock] changes of files that are not known: of any */
static struct changes all;				/* [attr_lock] the sum of both kinds */

static struct changes *bucket_of(const struct attr_file *f)
{
	return f == NULL ? &unknown : &buckets[hash_bits(hash64_2((u64)f->node << 32 | f->fs, f->ino), BUCKET_BITS)];
}

static const struct changes *changes_of(const struct inode *i)
{
	return bucket_of(&(struct attr_file){ i->node, i->fs, i->ino });
}

void attr_ask(struct attr_asked *asked)
{
	asked->at_ns = time_mono_ns();
	spin_lock(&attr_lock);
	asked->changes = all.ended;
	spin_unlock(&attr_lock);
}

void attr_keep(struct inode *i, const struct attr_asked *asked, const struct attr *a, u32 lease_ms, unsigned own)
{
	struct attr_saved *fresh = READ_ONCE(i->saved) == NULL && lease_ms > 0 ? kzalloc(sizeof(*fresh)) : NULL;

	spin_lock(&attr_lock);
	if (i->saved == NULL) {
		i->saved = fresh;
		fresh = NULL;
	}
	if (i->saved != NULL && lease_ms > 0 && all.under_way == own && all.ended == asked->changes) {
		i->saved->changes = changes_of(i)->ended + unknown.ended;
		i->saved->until_ns = asked->at_ns + lease_ms * NSEC_PER_MSEC;
		i->saved->attr = *a;
	}
	spin_unlock(&attr_lock);
	kfree(fresh);
}

bool attr_kept(struct inode *i, struct attr *a)
{
	const struct changes *c = changes_of(i);
	bool right;

	spin_lock(&attr_lock);
	right = i->saved != NULL && c->under_way == 0 && unknown.under_way == 0 && i->saved->changes == c->ended + unknown.ended &&
		time_mono_ns() < i->saved->until_ns;
	if (right)
		*a = i->saved->attr;
	spin_unlock(&attr_lock);
	return right;
}

void attr_change_begin(const struct attr_file *f)
{
	spin_lock(&attr_lock);
	bucket_of(f)->under_way++;
	all.under_way++;
	spin_unlock(&attr_lock);
}

void attr_change_end(const struct attr_file *f)
{
	struct changes *c = bucket_of(f);

	spin_lock(&attr_lock);
	c->under_way--;
	c->ended++;
	all.under_way--;
	all.ended++;
	spin_unlock(&attr_lock);
}

/* attr_lock held */
static void rights_put(struct inode *i, const struct attr *a)
{
	WRITE_ONCE(i->mode, a->mode);
	WRITE_ONCE(i->uid, a->uid);
	WRITE_ONCE(i->gid, a->gid);
}

void attr_rights_answered(struct inode *i, const struct attr_asked *asked, const struct attr *a)
{
	spin_lock(&attr_lock);
	if (asked->changes + 1 >= i->rights_asked) {
		rights_put(i, a);
		i->rights_asked = asked->changes + 1;
	}
	spin_unlock(&attr_lock);
}

void attr_change_end_rights(const struct attr_file *f, struct inode *i, const struct attr_asked *asked, const struct attr *now)
{
	struct changes *c = bucket_of(f);

	spin_lock(&attr_lock);
	if (now != NULL)
		rights_put(i, now);
	i->rights_asked = now != NULL && all.under_way == 1 && all.ended == asked->changes ? all.ended + 2 : 0;	/* 0: who is next asks */
	c->under_way--;
	c->ended++;
	all.under_way--;
	all.ended++;
	c->rights = all.ended;
	WRITE_ONCE(all.rights, all.ended);
	spin_unlock(&attr_lock);
}

bool attr_rights_right(const struct inode *i)
{
	u64 asked = READ_ONCE(i->rights_asked);
	bool right;

	if (asked > READ_ONCE(all.rights))	/* most files, most of the time */
		return true;
	spin_lock(&attr_lock);
	right = asked > changes_of(i)->rights;
	spin_unlock(&attr_lock);
	return right;
}

void attr_change_end_found(const struct attr_file *f, unsigned nr)
{
	spin_lock(&attr_lock);
	for (unsigned i = 0; i < nr; i++)
		bucket_of(&f[i])->ended++;
	unknown.under_way--;
	all.under_way--;
	all.ended++;
	spin_unlock(&attr_lock);
}
