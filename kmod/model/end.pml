/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The end of a listener: a lossless listener requests its end, the producer of kmod/core/ring.h
 * fixes it (hpcap_ring_fix_end), and the listener reads the records before it
 * (crates/hpcap/src/listener/).
 *
 * Spin checks for every order in which the two can act:
 *  - The listener reads every record before its end whole and once, and no record behind its end.
 *  - The end is not before what the listener has read, and every record before the end is published
 *    when the listener sees the end.
 *  - Neither party waits for ever: the listener gets its end, and the producer does not wait for a
 *    listener that has read everything before its end.
 *
 * Spin does not model weak memory, so loom checks the orderings (crates/hpcap/tests/protocol.rs).
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
bool finish;		/* `finish` of the slot: the listener requests its end */
bool finished;		/* `ended` of the slot */
byte end_off;
bool ended;		/* the queue has ended */

/* private state of the producer */
byte head;
byte believed;
bool fixed;

/* hpcap_ring_refresh: the offset never goes back, nor beyond what the listener can have read */
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

/* hpcap_ring_holds: whether the record at the head would overwrite a record that must stay */
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
			/* a listener frees room only when it sees what is published */
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
		:: service()		/* service runs after this record */
		:: head < RECORDS	/* or after a later record of the batch */
		fi
	:: else -> break
	od;
	service();
	/* hpcap_ring_end fixes the end of every listener */
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
		:: true			/* the listener acknowledges later */
		fi
	:: !finish -> finish = true
	:: finished && !told ->
		told = true;
		assert(end_off <= published)
	:: finished && end_off <= position -> break
	:: published <= position && !finished ->
		/* a listener that sleeps has acknowledged what it read */
		read_off = position;
		(published > position || finished)
	od;
	until = end_off;
	read_off = position;
	assert(position == until && until <= published)
}
