/* SPDX-License-Identifier: MIT */
/*
 * Faults by a seeded schedule. Whether a frame is hit depends on the seed, the rule, the pair of addresses and the
 * number of the frame among those of its pair, and on nothing else: the same traffic meets the same faults again,
 * however the pairs interleave.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define MAX_RULES	16
#define MAX_CUTS	8
#define MAX_FLOWS	1024u		/* pairs beyond these share counters */
#define RATE_QUEUE_NS	50000000ull	/* a frame that a capped pair cannot send for so long is dropped */
#define REORDER_NS	2000000ull	/* a reordered frame waits for the next of its pair, but not longer than this */

enum fault { FAULT_DROP, FAULT_DUP, FAULT_REORDER, FAULT_DELAY, FAULT_CORRUPT, FAULT_RIGHT, FAULT_WRONG, FAULT_ECN, NR_CHANCES,
	     FAULT_RATE = NR_CHANCES, FAULT_CUT, NR_FAULTS };
static const char *const fault_name[NR_FAULTS] = {
	"drop", "dup", "reorder", "delay", "corrupt", "corrupt-right", "corrupt-wrong", "ecn", "rate", "cut"
};

struct rule {
	double chance[NR_CHANCES];
	uint64_t delay_ns;
	struct { uint64_t start_ns, length_ns; } cut[MAX_CUTS];
	unsigned nr_cuts;
	struct { uint64_t every_ns, length_ns; } often, often_oneway;	/* one cut of each pair in every such time; 0: none */
	uint64_t rate;			/* of each pair and direction, bytes a second; 0: no limit */
	uint64_t from, to;		/* addresses; 0: any */
	int opcode;			/* BTH opcode of RoCEv2 packets; -1: any frame */
	uint64_t skip, count;		/* of the frames that match: leave the first `skip`, judge `count` (0: all) */
	uint64_t matched;
};

struct flow {
	uint64_t src, dst;
	uint64_t nr_frames;
	uint64_t free_ns;		/* when its capped wire is free again */
};

struct held {				/* a frame on its way later */
	struct held *next;
	struct port *out;
	uint64_t due_ns;
	uint64_t overtaken_by;		/* reordered: the flow whose next frame releases it (its hash); 0: time alone */
	size_t len;
	uint8_t record[];
};

static struct rule rules[MAX_RULES];
static unsigned nr_rules;
static uint64_t seed, start_ns;
static struct flow flows[MAX_FLOWS];
static struct held *held_list;		/* by due time, equal times in order of arrival */
static uint64_t nr_done[NR_FAULTS];

bool faults_active(void)
{
	return nr_rules > 0 || held_list != NULL;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t flow_hash(uint64_t src, uint64_t dst)
{
	return mix(src * 0x9e3779b97f4a7c15ull + mix(dst + 1)) | 1;
}

static struct flow *flow_get(uint64_t src, uint64_t dst)
{
	unsigned first = (unsigned)(flow_hash(src, dst) % MAX_FLOWS), i = first;

	while (flows[i].nr_frames > 0 && (flows[i].src != src || flows[i].dst != dst)) {
		i = (i + 1) % MAX_FLOWS;
		if (i == first)
			break;
	}
	if (flows[i].nr_frames == 0) {
		flows[i].src = src;
		flows[i].dst = dst;
	}
	return &flows[i];
}

/*
 * The specification
 */
static bool parse_time(const char *s, char **end, uint64_t *ns)
{
	double value = strtod(s, end);

	if (*end == s || value < 0)
		return false;
	if (strncmp(*end, "ns", 2) == 0)
		*end += 2;
	else if (strncmp(*end, "us", 2) == 0)
		value *= 1e3, *end += 2;
	else if (strncmp(*end, "ms", 2) == 0)
		value *= 1e6, *end += 2;
	else if (**end == 's')
		value *= 1e9, *end += 1;
	else
		return false;
	*ns = (uint64_t)value;
	return true;
}

static bool parse_node(const char *s, uint64_t *mac)
{
	unsigned b[6];
	char *end, tail;
	unsigned long node;

	if (strchr(s, ':') != NULL) {
		if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &tail) != 6)
			return false;
		*mac = 0;
		for (int i = 0; i < 6; i++)
			*mac = *mac << 8 | b[i];
		return *mac != 0;
	}
	node = strtoul(s, &end, 10);
	if (end == s || *end != '\0' || node == 0 || node > 255)
		return false;
	*mac = 0x525400770000ull | node;
	return true;
}

static bool parse_number(const char *s, uint64_t max, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	*value = strtoull(s, &end, 0);
	return *end == '\0' && *value <= max;
}

static bool parse_often(const char *s, uint64_t *every, uint64_t *length)
{
	char *end;

	return parse_time(s, &end, every) && *end == ':' && parse_time(end + 1, &end, length) && *end == '\0' && *length < *every;
}

static bool parse_rate(const char *s, uint64_t *rate)
{
	char *end;
	double value = strtod(s, &end);

	if (end == s || !(value >= 1))
		return false;
	if (*end == 'k')
		value *= 1e3, end++;
	else if (*end == 'M')
		value *= 1e6, end++;
	*rate = (uint64_t)value;
	return *end == '\0';
}

static bool parse_item(struct rule *r, const char *name, const char *value)
{
	uint64_t number;
	char *end;

	if (strcmp(name, "seed") == 0)
		return parse_number(value, UINT64_MAX, &seed);
	if (strcmp(name, "from") == 0)
		return parse_node(value, &r->from);
	if (strcmp(name, "to") == 0)
		return parse_node(value, &r->to);
	if (strcmp(name, "skip") == 0)
		return parse_number(value, UINT64_MAX, &r->skip);
	if (strcmp(name, "count") == 0)
		return parse_number(value, UINT64_MAX, &r->count) && r->count > 0;
	if (strcmp(name, "opcode") == 0) {
		if (!parse_number(value, 255, &number))
			return false;
		r->opcode = (int)number;
		return true;
	}
	if (strcmp(name, "cut") == 0) {
		if (r->nr_cuts == MAX_CUTS || !parse_time(value, &end, &r->cut[r->nr_cuts].start_ns) || *end != '+' ||
		    !parse_time(end + 1, &end, &r->cut[r->nr_cuts].length_ns) || *end != '\0')
			return false;
		r->nr_cuts++;
		return true;
	}
	if (strcmp(name, "cuts") == 0)
		return parse_often(value, &r->often.every_ns, &r->often.length_ns);
	if (strcmp(name, "oneway-cuts") == 0)
		return parse_often(value, &r->often_oneway.every_ns, &r->often_oneway.length_ns);
	if (strcmp(name, "rate") == 0)
		return parse_rate(value, &r->rate);
	for (int f = 0; f < NR_CHANCES; f++) {
		double chance;

		if (strcmp(name, fault_name[f]) != 0)
			continue;
		chance = strtod(value, &end);
		if (end == value || !(chance >= 0 && chance <= 1))
			return false;
		r->chance[f] = chance;
		if (f == FAULT_DELAY)
			return *end == ':' && parse_time(end + 1, &end, &r->delay_ns) && *end == '\0';
		return *end == '\0';
	}
	return false;
}

int faults_set(const char *spec, char *error, size_t error_size)
{
	struct rule parsed[MAX_RULES] = { 0 };
	unsigned nr = 0;
	uint64_t old_seed = seed;
	char *copy, *at, *text, *item;

	if (spec[0] == '\0' || strcmp(spec, "off") == 0) {
		nr_rules = 0;
		return 0;
	}
	copy = at = strdup(spec);
	if (copy == NULL)
		die("out of memory");
	seed = 0;
	while ((text = strsep(&at, ";")) != NULL) {
		if (nr == MAX_RULES) {
			snprintf(error, error_size, "more than %d rules", MAX_RULES);
			goto refuse;
		}
		parsed[nr].opcode = -1;
		while ((item = strsep(&text, ",")) != NULL) {
			char *value = strchr(item, '=');

			if (value != NULL)
				*value++ = '\0';
			if (value == NULL || !parse_item(&parsed[nr], item, value)) {
				snprintf(error, error_size, "bad fault '%s%s%s'", item, value ? "=" : "", value ? value : "");
				goto refuse;
			}
		}
		nr++;
	}
	free(copy);
	memcpy(rules, parsed, sizeof(rules));
	nr_rules = nr;
	memset(flows, 0, sizeof(flows));
	start_ns = now_ns();
	return 0;
refuse:
	free(copy);
	seed = old_seed;
	return -1;
}

void faults_help(FILE *out)
{
	fputs("Faults: rules separated by ';', each a list of NAME=VALUE separated by ','. A frame meets every rule that\n"
	      "matches it. Chances are from 0 to 1, times are numbers with ns, us, ms or s.\n"
	      "  seed=N           of the schedule (default 0)\n"
	      "  drop=P           lose the frame\n"
	      "  dup=P            deliver it twice\n"
	      "  reorder=P        hold it until the next frame of its pair has passed, at most 2 ms\n"
	      "  delay=P:TIME     hold it for TIME\n"
	      "  corrupt=P        turn over one bit behind the Ethernet header; what is not IPv4 is lost, as by a bad Ethernet checksum\n"
	      "  corrupt-right=P  turn over one bit behind the UDP header, under a UDP checksum that is right (an ICRC is not)\n"
	      "  corrupt-wrong=P  the same under the checksum that was right before\n"
	      "  rate=N[k|M]      at most so many bytes a second from one node to another; what waits for 50 ms is lost\n"
	      "  ecn=P            mark it Congestion Experienced (IPv4; whatever its ECN field was)\n"
	      "  cut=START+TIME   lose everything for TIME, from START after the schedule was set; may be repeated\n"
	      "  cuts=EVERY:TIME  in every such time lose everything between two nodes for TIME, at a moment of each pair's own\n"
	      "  oneway-cuts=EVERY:TIME  the same in one direction, now this, now that\n"
	      "which frames the rule is for (default: all):\n"
	      "  from=NODE to=NODE  NODE is a number N (52:54:00:77:00:N) or an address like 52:54:00:77:00:01\n"
	      "  opcode=N         RoCEv2 packets with this BTH opcode only, e.g. 0x11 for ACK\n"
	      "  skip=N count=N   leave the first N that match; then only this many\n"
	      "Example: seed=7,drop=0.01,dup=0.001,delay=0.01:2ms;from=1,to=2,cut=3s+500ms\n", out);
}

/*
 * Acting on frames
 */
static void send_now(struct wire *w, struct port *out, const uint8_t *record, size_t len)
{
	pcap_frame(record + RECORD_PREFIX, len - RECORD_PREFIX);
	port_send(w, out, record, len);
}

static struct held *held_new(struct port *out, const uint8_t *record, size_t len)
{
	struct held *h = must_alloc(sizeof(*h) + len);

	h->out = out;
	h->len = len;
	memcpy(h->record, record, len);
	return h;
}

static void held_insert(struct held *h)
{
	struct held **at = &held_list;

	while (*at != NULL && (*at)->due_ns <= h->due_ns)
		at = &(*at)->next;
	h->next = *at;
	*at = h;
}

static void held_send(struct wire *w, struct held *h)
{
	send_now(w, h->out, h->record, h->len);
	port_flush(w, h->out);		/* its bytes are freed now */
	free(h);
}

static void release_overtaken(struct wire *w, struct port *out, uint64_t flow)
{
	struct held **at = &held_list, *h;

	while ((h = *at) != NULL) {
		if (h->out == out && h->overtaken_by == flow) {
			*at = h->next;
			held_send(w, h);
		} else {
			at = &h->next;
		}
	}
}

static int roce_opcode(const uint8_t *frame, size_t len)
{
	size_t ip = 14, header;

	if (len < 14 + 20 + 8 + 12 || frame[12] != 0x08 || frame[13] != 0x00 || frame[ip + 9] != 17)
		return -1;
	header = (size_t)(frame[ip] & 15) * 4;
	if (len < ip + header + 8 + 12 || (frame[ip + header + 2] << 8 | frame[ip + header + 3]) != 4791)
		return -1;
	return frame[ip + header + 8];
}

static void mark_ecn(uint8_t *frame, size_t len)
{
	size_t header;
	uint32_t sum = 0;

	if (len < 14 + 20 || frame[12] != 0x08 || frame[13] != 0x00)
		return;
	header = (size_t)(frame[14] & 15) * 4;
	if (header < 20 || len < 14 + header)
		return;
	frame[15] |= 3;
	frame[24] = frame[25] = 0;
	for (size_t i = 0; i < header; i += 2)
		sum += (uint32_t)(frame[14 + i] << 8 | frame[15 + i]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[24] = (uint8_t)(~sum >> 8);
	frame[25] = (uint8_t)~sum;
}

/* One bit of UDP's data, and UDP's checksum for what it was, or for what it is now. */
static void corrupt_udp(uint8_t *frame, size_t len, uint64_t random, bool right)
{
	size_t header = len < 34 ? 0 : (size_t)(frame[14] & 15) * 4, udp = 14 + header, udp_len;
	uint64_t sum = 17;

	if (header < 20 || frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 17 || len < udp + 9)
		return;
	udp_len = (size_t)(frame[udp + 4] << 8 | frame[udp + 5]);
	if (udp_len < 9 || udp_len > len - udp)
		return;
	if (right)
		frame[udp + 8 + (random >> 3) % (udp_len - 8)] ^= (uint8_t)(1u << (random & 7));
	frame[udp + 6] = frame[udp + 7] = 0;
	sum += udp_len;
	for (size_t i = 26; i < 34; i++)		/* the addresses */
		sum += i % 2 == 0 ? (uint64_t)frame[i] << 8 : frame[i];
	for (size_t i = 0; i < udp_len; i++)
		sum += i % 2 == 0 ? (uint64_t)frame[udp + i] << 8 : frame[udp + i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (sum == 0)
		sum = 0xffff;
	frame[udp + 6] = (uint8_t)(sum >> 8);
	frame[udp + 7] = (uint8_t)sum;
	if (!right)
		frame[udp + 8 + (random >> 3) % (udp_len - 8)] ^= (uint8_t)(1u << (random & 7));
}

static bool is_ipv4(const uint8_t *frame, size_t len)
{
	return len > FRAME_MIN && frame[12] == 0x08 && frame[13] == 0x00;
}

/* In each stretch of time one cut, of each pair at a moment of its own; oneway: of one direction. */
static bool in_cut_often(uint64_t every, uint64_t length, bool oneway, unsigned rule, uint64_t src, uint64_t dst)
{
	uint64_t t = now_ns() - start_ns, pair, random, begin;

	if (every == 0)
		return false;
	pair = src < dst ? flow_hash(src, dst) : flow_hash(dst, src);
	random = mix(mix(seed + rule) + pair * 31 + mix(t / every));
	begin = random % (every - length);
	if (oneway && (random >> 63 != 0) != (src < dst))
		return false;
	return t % every >= begin && t % every - begin < length;
}

static bool in_cut(const struct rule *r, uint64_t src, uint64_t dst)
{
	uint64_t t = now_ns() - start_ns;
	unsigned nr = (unsigned)(r - rules);

	if (in_cut_often(r->often.every_ns, r->often.length_ns, false, nr, src, dst) ||
	    in_cut_often(r->often_oneway.every_ns, r->often_oneway.length_ns, true, nr, src, dst))
		return true;

	for (unsigned i = 0; i < r->nr_cuts; i++)
		if (t >= r->cut[i].start_ns && t - r->cut[i].start_ns < r->cut[i].length_ns)
			return true;
	return false;
}

struct verdict {
	bool hit[NR_FAULTS];
	uint64_t delay_ns;
	uint64_t rate;			/* 0: no limit */
	uint64_t random;		/* for the choice of a bit */
};

static void judge(struct verdict *v, uint64_t src, uint64_t dst, uint64_t flow, uint64_t number, int opcode)
{
	for (unsigned i = 0; i < nr_rules; i++) {
		struct rule *r = &rules[i];

		if ((r->from != 0 && r->from != src) || (r->to != 0 && r->to != dst) ||
		    (r->opcode >= 0 && r->opcode != opcode))
			continue;
		if (in_cut(r, src, dst))
			v->hit[FAULT_CUT] = true;
		if (r->rate != 0 && (v->rate == 0 || r->rate < v->rate))
			v->rate = r->rate;
		r->matched++;
		if (r->matched <= r->skip || (r->count > 0 && r->matched > r->skip + r->count))
			continue;
		for (int f = 0; f < NR_CHANCES; f++) {
			uint64_t random = mix(mix(seed + i) + flow * (uint64_t)(f + 3) + mix(number));

			if (!((double)(random >> 11) * 0x1p-53 < r->chance[f]))
				continue;
			v->hit[f] = true;
			v->random = mix(random);
			if (f == FAULT_DELAY && r->delay_ns > v->delay_ns)
				v->delay_ns = r->delay_ns;
		}
	}
}

/* How long a frame waits for a capped wire. false: for too long, and it is lost. */
static bool rate_wait(struct flow *flow, uint64_t rate, size_t len, uint64_t *wait_ns)
{
	uint64_t now = now_ns(), from = flow->free_ns > now ? flow->free_ns : now;

	if (from - now > RATE_QUEUE_NS)
		return false;
	flow->free_ns = from + (uint64_t)len * 1000000000u / rate;
	*wait_ns = flow->free_ns - now;
	return true;
}

void faults_deliver(struct wire *w, struct port *out, const uint8_t *record, size_t len)
{
	const uint8_t *frame = record + RECORD_PREFIX;
	size_t frame_len = len - RECORD_PREFIX;
	uint64_t src = mac_read(frame + 6), dst = mac_read(frame), flow, wait_ns = 0;
	struct flow *of;
	struct verdict v = { 0 };
	struct held *copy = NULL;

	if (mac_is_group(dst))
		dst = out->mac;			/* each receiver of a broadcast is judged for itself */
	flow = flow_hash(src, dst);
	of = flow_get(src, dst);
	judge(&v, src, dst, flow, of->nr_frames++, roce_opcode(frame, frame_len));
	if (v.hit[FAULT_CORRUPT] && !is_ipv4(frame, frame_len))
		v.hit[FAULT_DROP] = true;
	if (v.rate != 0 && !v.hit[FAULT_DROP] && !v.hit[FAULT_CUT])
		v.hit[FAULT_RATE] = !rate_wait(of, v.rate, frame_len, &wait_ns);
	for (int f = 0; f < NR_FAULTS; f++)
		nr_done[f] += v.hit[f];
	if (v.hit[FAULT_DROP] || v.hit[FAULT_CUT] || v.hit[FAULT_RATE])
		return;
	if (v.hit[FAULT_CORRUPT] || v.hit[FAULT_RIGHT] || v.hit[FAULT_WRONG] || v.hit[FAULT_ECN] || v.hit[FAULT_DELAY] ||
	    v.hit[FAULT_REORDER] || wait_ns != 0) {
		copy = held_new(out, record, len);
		record = copy->record;
	}
	if (v.hit[FAULT_ECN])
		mark_ecn(copy->record + RECORD_PREFIX, frame_len);
	if (v.hit[FAULT_RIGHT] || v.hit[FAULT_WRONG])
		corrupt_udp(copy->record + RECORD_PREFIX, frame_len, v.random, !v.hit[FAULT_WRONG]);
	if (v.hit[FAULT_CORRUPT])
		copy->record[RECORD_PREFIX + FRAME_MIN + (v.random >> 3) % (frame_len - FRAME_MIN)] ^=
			(uint8_t)(1u << (v.random & 7));
	if (v.hit[FAULT_DUP])
		send_now(w, out, record, len);
	if (v.hit[FAULT_DELAY] || v.hit[FAULT_REORDER] || wait_ns != 0) {
		if (v.hit[FAULT_DUP])
			port_flush(w, out);
		copy->due_ns = now_ns() + wait_ns + (v.hit[FAULT_DELAY] ? v.delay_ns : v.hit[FAULT_REORDER] ? REORDER_NS : 0);
		copy->overtaken_by = v.hit[FAULT_REORDER] && !v.hit[FAULT_DELAY] && wait_ns == 0 ? flow : 0;
		held_insert(copy);
		return;
	}
	send_now(w, out, record, len);
	if (copy != NULL) {
		port_flush(w, out);
		free(copy);
	}
	release_overtaken(w, out, flow);
}

int64_t faults_next_ns(void)
{
	uint64_t now;

	if (held_list == NULL)
		return -1;
	now = now_ns();
	return held_list->due_ns > now ? (int64_t)(held_list->due_ns - now) : 0;
}

void faults_run(struct wire *w)
{
	uint64_t now = held_list != NULL ? now_ns() : 0;
	struct held *h;

	while ((h = held_list) != NULL && h->due_ns <= now) {
		held_list = h->next;
		held_send(w, h);
	}
}

void faults_port_gone(struct port *p)
{
	struct held **at = &held_list, *h;

	while ((h = *at) != NULL) {
		if (h->out == p) {
			*at = h->next;
			free(h);
		} else {
			at = &h->next;
		}
	}
}

void faults_stats(FILE *out)
{
	fprintf(out, "faults");
	for (int f = 0; f < NR_FAULTS; f++)
		fprintf(out, " %s %llu", fault_name[f], (unsigned long long)nr_done[f]);
	fputc('\n', out);
}
