/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The end of a listener: a lossless one asks for it, the producer of kmod/core/ring.h fixes it
 * (hpcap_ring_fix_end), and the listener reads what is left (crates/hpcap/src/listener/).
 *
 * Checked, for every order in which the two can act:
 *  - the listener reads every record before its end, once, whole, and none behind it;
 *  - its end is not before what it has read, and everything before it is published when it is said;
 *  - nobody waits for ever: neither the listener for its end, nor the producer for a listener
 *    that has read everything before its end.
 *
 * Spin knows no weak memory: the orderings are checked with loom (crates/hpcap/tests/protocol.rs).
 *
 * verify:
 * refute: -DMUTANT_END_OF_WHAT_IS_WRITTEN
 * refute: -DMUTANT_FINISHED_HOLDS_NOTHING
 * refute: -DMUTANT_FINISHED_HOLDS_ALL
 * refute: -DMUTANT_END_SAID_EARLY
 */
#define CELLS	2
#define RECORDS	5
#define TORN	255

byte ring[CELLS];
byte published;		/* records before it are whole */
byte read_off;
bool finish;		/* the slot's word: fix my end, please */
bool finished;		/* the slot's word `ended` */
byte end_off;
bool ended;		/* the queue has */

/* the producer's own */
byte head;
byte believed;
bool fixed;

/* hpcap_ring_refresh: not back, and not beyond what the listener can have read */
inline refresh()
{
	d_step {
		if
		:: read_off > believed -> believed = read_off
		:: else
		fi
	}
}

/* hpcap_ring_fix_end */
inline fix_end()
{
#ifdef MUTANT_END_SAID_EARLY
	finished = true;
#endif
#ifdef MUTANT_END_OF_WHAT_IS_WRITTEN
	end_off = head;
#else
	end_off = published;
#endif
	fixed = true;
	finished = true
}

/* hpcap_ring_service */
inline service()
{
	published = head;
	if
	:: finish && !fixed -> fix_end()
	:: else
	fi
}

/* hpcap_ring_holds: whether the record at the head would overwrite what must stay */
#ifdef MUTANT_FINISHED_HOLDS_NOTHING
#define HELD	(!fixed && head + 1 > believed + CELLS)
#else
#ifdef MUTANT_FINISHED_HOLDS_ALL
#define HELD	(head + 1 > believed + CELLS)
#else
#define HELD	((!fixed || believed < end_off) && head + 1 > believed + CELLS)
#endif
#endif

active proctype producer()
{
	do
	:: head < RECORDS ->
		refresh();
		do
		:: HELD ->
			/* what is published is what makes a listener free room */
			service();
			(!HELD || read_off > believed || (finish && !fixed));
			refresh()
		:: else -> break
		od;
		ring[head % CELLS] = TORN;
		d_step {
			ring[head % CELLS] = head;
			head++
		}
#ifdef MUTANT_END_OF_WHAT_IS_WRITTEN
		if
		:: finish && !fixed -> fix_end()
		:: else
		fi;
#endif
		if
		:: service()		/* after this record */
		:: head < RECORDS	/* or after a later one of the batch */
		fi
	:: else -> break
	od;
	service();
	/* hpcap_ring_end fixes the end of everybody */
	if
	:: !fixed -> fix_end()
	:: else
	fi;
	ended = true
}

active proctype listener()
{
	byte position = 0, look, until;
	bool told = false;

	do
	:: published > position && (!finished || end_off > position) ->
		look = ring[position % CELLS];
		assert(look == position);
		position++;
		if
		:: read_off = position
		:: true			/* acknowledges later */
		fi
	:: !finish -> finish = true
	:: finished && !told ->
		told = true;
		assert(end_off <= published)
	:: finished && end_off <= position -> break
	:: published <= position && !finished ->
		/* whoever sleeps has given back what it read */
		read_off = position;
		(published > position || finished)
	od;
	until = end_off;
	read_off = position;
	assert(position == until && until <= published)
}
