/* SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0 */
/*
 * The protocol between the producer of kmod/core/ring.h and its listeners. The model is so small
 * that spin can try every interleaving: the ring has CELLS records, and the producer writes RECORDS
 * records.
 *
 * Spin checks for every order in which the parties can act:
 *  - A lossless listener reads every record whole, once and in order, unless the producer demoted
 *    the listener before the listener acknowledged.
 *  - A record that a lossy listener accepts is whole, and is the record that it wanted.
 *  - A hostile listener, which writes any value into its slot, harms neither of them.
 *  - No party sleeps for ever. The model has no time-outs, so a lost wake-up is an invalid end
 *    state.
 *
 * The actions are those of ring.h and crates/hpcap/src/listener/, in the same order. Spin does not
 * model weak memory, so loom checks the orderings (crates/hpcap/tests/protocol.rs).
 *
 * Each MUTANT leaves out one step, and spin must refute it (scripts/model.sh), because a model that
 * cannot fail proves nothing.
 *
 * verify:
 * refute: -DMUTANT_NOT_ANNOUNCED
 * refute: -DMUTANT_PUBLISHED_EARLY
 * refute: -DMUTANT_NO_SECOND_LOOK
 * refute: -DMUTANT_ACK_WITHOUT_CHECK
 */
#define CELLS	2
#define RECORDS	4
#define TORN	255

byte ring[CELLS];
byte published;		/* records before it are whole */
byte announced;		/* the producer may be writing records before it */
byte oldest;		/* records before it may be overwritten */
bool ended;

/* slots: 0 the lossless listener, 1 the lossy one, 2 the hostile one */
byte read_off[3];
bool waiting[3];
byte wait_off[3];
bool asleep[3];

/* private state of the producer */
byte believed[3];
bool demoted;

/*
 * hpcap_ring_refresh: the offset is clamped between the offset before it and what was published.
 * This is one step, because the producer reads one word of another party once; `published` is the
 * producer's own word.
 */
inline refresh(i)
{
	d_step {
		if
		:: read_off[i] > published -> believed[i] = published
		:: read_off[i] <= published && read_off[i] > believed[i] ->
			believed[i] = read_off[i]
		:: else
		fi
	}
}

/* hpcap_ring_must_wake, and the futex that it leads to */
inline wake(i)
{
	if
	:: waiting[i] && (published >= wait_off[i] || ended) ->
		waiting[i] = false;
		asleep[i] = false
	:: else
	fi
}

active proctype producer()
{
	byte head = 0;

	do
	:: head < RECORDS ->
		/* waits for room while a lossless listener holds the ring back */
		refresh(0);
		refresh(2);
		do
		:: !demoted && head + 1 > believed[0] + CELLS ->
			if
			:: demoted = true	/* the listener stalled for too long */
			:: refresh(0)
			fi;
			wake(0); wake(1)
		:: head + 1 > believed[2] + CELLS -> refresh(2)
		:: else -> break
		od;
#ifndef MUTANT_NOT_ANNOUNCED
		if
		:: head + 1 > announced ->
			announced = head + 1;
			if
			:: announced > CELLS -> oldest = announced - CELLS
			:: else
			fi
		:: else
		fi;
#endif
		ring[head % CELLS] = TORN;
#ifdef MUTANT_PUBLISHED_EARLY
		published = head + 1;
#endif
		d_step {
			ring[head % CELLS] = head;
			head++
		}
		if
		:: published = head	/* service runs after this record */
		:: head < RECORDS	/* or after a later record of the batch */
		fi;
		wake(0); wake(1)
	:: else -> break
	od;
	ended = true;
	/* hpcap_ring_end, and one last wake-up of those who sleep, because the producer ends here */
	wake(0);
	wake(1)
}

/* Listener::sleep */
inline sleep(i, goal)
{
	wait_off[i] = goal;
	waiting[i] = true;
#ifndef MUTANT_NO_SECOND_LOOK
	if
	:: published < goal && !ended ->
		futex(i)
	:: else
	fi;
#else
	futex(i);
#endif
	waiting[i] = false
}

/* FUTEX_WAIT compares and goes to sleep in one step. */
inline futex(i)
{
	atomic {
		if
		:: waiting[i] -> asleep[i] = true
		:: else
		fi
	}
	!asleep[i]
}

active proctype lossless()
{
	byte position = 0, acked = 0, look;
	bool whole = true;	/* every record since the last acknowledgement */

	do
	:: published > position ->
		look = ring[position % CELLS];
		whole = whole && look == position;
		position++;
		if
		:: skip			/* reads another record before it acknowledges */
		:: true ->
			/* Listener::ack */
			if
#ifndef MUTANT_ACK_WITHOUT_CHECK
			:: demoted && oldest > acked -> break	/* returns Overrun */
#endif
			:: else
			fi;
			assert(whole);
			acked = position;
			read_off[0] = position
		fi
	:: published <= position && ended && published <= position ->
		if
		:: demoted && oldest > acked && acked != position -> skip
		:: else -> assert(whole && position == RECORDS)
		fi;
		break
	:: published <= position && !ended ->
		/* a listener that sleeps has acknowledged what it read; otherwise it holds the ring for ever */
		if
#ifndef MUTANT_ACK_WITHOUT_CHECK
		:: demoted && oldest > acked -> break
#endif
		:: else
		fi;
		assert(whole);
		acked = position;
		read_off[0] = position;
		sleep(0, position + 1)
	od
}

active proctype lossy()
{
	byte position = 0, look;

	do
	:: published > position ->
		look = ring[position % CELLS];
		if
		:: oldest <= position ->
			/* accepts the record */
			assert(look == position);
			position++
		:: else ->
			/* resynchronises at the newest record */
			position = published
		fi
	:: published <= position && ended && published <= position -> break
	:: published <= position && !ended -> sleep(1, position + 1)
	od
}

/* Writes any value, and releases the ring at the end: it may hold the ring back, but not more. */
active proctype hostile()
{
	if
	:: read_off[2] = 1
	:: read_off[2] = 200
	fi;
	read_off[2] = 255
}
