#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Demonstrates hpcap: frames go from a network interface through the ring into RAW files and out again as a pcap. At
# the end, the script compares the ledger with the frames that were sent.
#
#   scripts/demo.sh [FOLDER WITH THE TOOLS]
#
# With IFACE in the environment, the script captures this interface. Otherwise it makes the traffic itself: as root over
# a virtual cable in a network namespace of its own, without root inside hpcapd. SECONDS_TO_RUN is the time (10), DIR
# the folder of the files (target/demo).
#
# The script prints each comparison, and names the numbers that it cannot compare: the frames on an interface with
# another sender, and the frames in the pcap if neither tcpdump nor capinfos is installed.
#
# Exit codes: 0 all numbers agree, 1 some do not or something failed, 2 wrong usage.
#
# Many functions are called only by name (wait_for, trap):
# shellcheck disable=SC2317
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TOOLS=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release}")
readonly TOOLS
readonly IFACE=${IFACE:-}
readonly SECONDS_TO_RUN=${SECONDS_TO_RUN:-10}
readonly QUEUE=hpcap0
# The traffic is 500 Mb/s, which is about 164,000 frames and 60 MB a second.
readonly TRAFFIC=gen:size=imix,rate=500M,duration=${SECONDS_TO_RUN}s
readonly MEBIBYTES_A_SECOND=60

say() { printf '%s\n' "$*"; }

die() {
	printf 'demo: %s\n' "$1" >&2
	exit "${2:-1}"
}

# Prints the heading of the next step.
steps=0
step() {
	steps=$((steps + 1))
	printf '\n%d. %s\n' "$steps" "$*"
}

# Prints a command as a user would type it.
show() { say "   \$ $*"; }

# Sets the output of a program apart from the text of the demonstration.
quote() { sed -u 's/^/   | /'; }

# ---------------------------------------------------------------------------- cleaning up
namespace=
# Words before a command that run it in the namespace, once there is one. A function would not do, because a function in
# the background is a shell of its own, which would get the signals.
inside=()
sender=
recorder=
daemon=
follower=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/hpcap-demo.XXXXXX")
# The demonstration has sockets of its own, so it disturbs no running daemon.
export HPCAP_RUN_DIR=$scratch/run

# Removes and ends everything that the demonstration made and started, except the recorded files. A demonstration that
# was cut short also removes these files.
finished=
recorded=
clean_up() {
	trap '' INT TERM
	local pid
	for pid in $sender $recorder $daemon; do
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	[ -z "$follower" ] || wait "$follower" 2>/dev/null || true
	[ -z "$namespace" ] || ip netns delete "$namespace" 2>/dev/null || true
	rm -rf "$scratch"
	[ -n "$finished" ] || [ -z "$recorded" ] || rm -rf "$recorded"
}
trap clean_up EXIT
trap 'say; say "demo: interrupted; cleaning up"; exit 1' INT TERM

# ---------------------------------------------------------------------------- helpers
# wait_for SECONDS COMMAND...: waits until the command succeeds.
wait_for() {
	local tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

# Prints the state of the queue as JSON.
status() { "$TOOLS/hpcapctl" status "$QUEUE" --json 2>/dev/null; }

# ledger_line NAME: prints the frames of a line of hpcapd's final ledger, such as "  captured   123 frames  4 MB".
ledger_line() { awk -v name="$1" '$0 ~ "^  " name " +[0-9]+ frames" { sub("^  " name, ""); print $1; found = 1 } END { if (!found) print 0 }' "$scratch/daemon.log"; }

running() { kill -0 "$1" 2>/dev/null; }
daemon_is_up() { status >/dev/null || ! running "$daemon"; }
recorder_is_up() { status | grep -q '"program":"hpcapdd"' || ! running "$recorder"; }
# Whether all frames that were sent have reached the ledger.
all_arrived() { [ "$(status | grep -oE '"ledger":.*' | grep -oE '"frames":[0-9]+' | awk -F: '{ n += $2 } END { print n + 0 }')" -ge "$sent" ]; }

# ---------------------------------------------------------------------------- the steps
# Makes the folder DIR, or a folder under target/ that every demonstration makes anew.
prepare_folder() {
	if [ -z "${DIR:-}" ]; then
		DIR=${CARGO_TARGET_DIR:-target}/demo
		rm -rf "$DIR"
	fi
	mkdir -p "$DIR" || die "cannot make the folder $DIR (DIR=... chooses another)"
	local needed=$((SECONDS_TO_RUN * MEBIBYTES_A_SECOND * 2)) free
	free=$(df -Pm "$DIR" | awk 'NR == 2 { print $4 }')
	[ -n "$IFACE" ] || [ "$free" -gt "$needed" ] ||
		die "$DIR has $free MiB free, and ${SECONDS_TO_RUN} seconds need $needed: choose fewer seconds (SECONDS=5) or another folder (DIR=...)"
	# A subfolder keeps the files of earlier demonstrations apart.
	DIR=$DIR/$(date +%Y%m%d-%H%M%S)
	mkdir "$DIR" || die "cannot make the folder $DIR"
	recorded=$DIR
}

# Makes a network namespace with the two ends of a virtual cable. Fails with a message if that is not allowed. Without
# IPv6, neither end sends frames by itself, so only the sender's frames are on the cable.
make_cable() {
	local name=hpcap-demo-$$
	ip netns add $name || return 1
	namespace=$name
	inside=(ip netns exec "$namespace")
	# shellcheck disable=SC2016 # expanded inside
	"${inside[@]}" sh -c 'for f in all default; do
		f=/proc/sys/net/ipv6/conf/$f/disable_ipv6
		[ ! -e $f ] || echo 1 >$f
	done' &&
		"${inside[@]}" ip link add wire0 type veth peer name wire1 &&
		"${inside[@]}" ip link set wire0 up &&
		"${inside[@]}" ip link set wire1 up && return
	ip netns delete "$namespace"
	namespace=
	inside=()
	return 1
}

start_daemon() {
	step "hpcapd takes the frames of $1 into a ring that programs share"
	show "hpcapd $1"
	"${inside[@]}" "$TOOLS/hpcapd" "$QUEUE"="$1" >"$scratch/daemon.log" 2>&1 &
	daemon=$!
	wait_for 60 daemon_is_up || true
	quote <"$scratch/daemon.log"
	shown=$(wc -l <"$scratch/daemon.log")
	running $daemon || die "hpcapd did not start (see above)"
}

start_recorder() {
	step "hpcapdd records the ring into RAW files under $DIR"
	show "hpcapdd $QUEUE $DIR${*:+ $*}"
	# tail may start before the recorder's shell has made the file.
	: >"$scratch/recorder.log"
	"$TOOLS/hpcapdd" "$QUEUE" "$DIR" --progress "$@" >"$scratch/recorder.log" 2>&1 &
	recorder=$!
	tail -n +1 -s 0.1 -f --pid=$recorder "$scratch/recorder.log" | quote &
	follower=$!
	wait_for 60 recorder_is_up || die "hpcapdd did not attach to the ring within a minute"
}

# Waits until the recorder has ended and all of its output has been shown.
finish_recorder() {
	local code=0
	wait "$recorder" || code=$?
	recorder=
	wait "$follower" || true
	follower=
	[ $code = 0 ] || die "hpcapdd failed with exit code $code (see above)"
}

send_frames() {
	step "The generator sends for $SECONDS_TO_RUN seconds"
	show "hpcap-bench send $TRAFFIC --to wire0"
	"${inside[@]}" "$TOOLS/hpcap-bench" send "$TRAFFIC" --to wire0 --json >"$scratch/sent.json" &
	sender=$!
	wait $sender || die "the generator failed"
	sender=
	sent=$(grep -oE '"sent":\{"frames":[0-9]+' "$scratch/sent.json" | grep -oE '[0-9]+$')
	say "   sent: $sent frames"
}

stop_recorder() {
	show "kill -INT \$(pidof hpcapdd)       # stores what is in the ring, closes the file"
	kill -INT "$recorder"
	finish_recorder
}

check_files() {
	step "checkraw reads every record of the files"
	show "checkraw $DIR"
	"$TOOLS/checkraw" "$DIR" 2>&1 | quote || die "checkraw found defects (see above)"
	in_files=$("$TOOLS/checkraw" --json "$DIR" | sed -n "s/.*\"total\":.*\"frames\":{\"frames\":\([0-9]*\).*first.*/\1/p")
}

convert_files() {
	pcap=$DIR/demo.pcap
	step "raw2pcap converts them, for Wireshark and everything else that reads pcap"
	show "raw2pcap $DIR -o $pcap"
	"$TOOLS/raw2pcap" "$DIR" -o "$pcap" 2>&1 | quote || die "raw2pcap failed (see above)"
}

show_frames() {
	step "The first frames"
	if command -v tcpdump >/dev/null; then
		show "tcpdump -nn -c 5 -r $pcap"
		tcpdump -nn -c 5 -r "$pcap" 2>/dev/null | quote
	elif command -v tshark >/dev/null; then
		show "tshark -c 5 -r $pcap"
		tshark -c 5 -r "$pcap" 2>/dev/null | quote
	else
		say "   (neither tcpdump nor tshark is installed)"
	fi
}

# Prints the number of frames in the pcap as another program counts them; prints nothing if there is no such program.
count_pcap() {
	if command -v tcpdump >/dev/null && tcpdump --help 2>&1 | grep -q -- --count; then
		tcpdump --count -r "$pcap" 2>/dev/null | grep -oE '^[0-9]+'
	elif command -v capinfos >/dev/null; then
		capinfos -Mrc -T "$pcap" 2>/dev/null | awk '{ print $NF }'
	fi
}

# recorder_ledger NAME: prints a number of hpcapdd's final ledger, "ledger   9 on the wire = 8 captured + 1 ring_full".
recorder_ledger() {
	grep -E '^ *ledger ' "$scratch/recorder.log" | grep -oE "[0-9]+ $1( |\$)" | awk '{ n = $1 } END { print n + 0 }'
}

# Prints how many frames the kernel has counted on the interface, received and sent.
kernel_count() {
	local statistics=/sys/class/net/$IFACE/statistics
	echo $(($(cat "$statistics/rx_packets") + $(cat "$statistics/tx_packets")))
}

not_compared() { printf '   %-34s not compared: %s\n' "$1" "$2"; }

verdict=0
# agree WHAT NUMBER OTHER NUMBER: compares two numbers, and prints the result.
agree() {
	local mark=ok
	[ "$2" = "$4" ] || {
		mark="DOES NOT AGREE"
		verdict=1
	}
	printf '   %-34s %12s   %-34s %12s   %s\n' "$1" "$2" "$3" "$4" "$mark"
}

balance() {
	local stored in_pcap
	step "hpcapd ends, and its ledger says what became of every frame"
	# A daemon with a generator has ended already.
	if running "$daemon"; then
		show "kill -INT \$(pidof hpcapd)"
		kill -INT "$daemon" 2>/dev/null || true
	fi
	wait "$daemon" || die "hpcapd failed: $(cat "$scratch/daemon.log")"
	daemon=
	tail -n +$((shown + 1)) "$scratch/daemon.log" | quote
	stored=$(sed -n 's/^ended ([^)]*): \([0-9]*\) frames.*/\1/p' "$scratch/recorder.log")

	say
	if [ -n "${sent:-}" ]; then
		agree "sent by the generator" "$sent" "on the wire, says the ledger" "$(ledger_line 'on the wire')"
		agree "captured, says hpcapd's ledger" "$(ledger_line captured)" "stored by hpcapdd" "$stored"
	else
		not_compared "on the wire" "nobody but the kernel counts the frames on $IFACE"
		say "      (its counters rose by $((counted_after - counted_before)) meanwhile, frames before and after the recording included)"
		agree "captured, says hpcapdd's ledger" "$(recorder_ledger captured)" "stored by hpcapdd" "$stored"
	fi
	agree "stored by hpcapdd" "$stored" "in the RAW files" "$in_files"
	in_pcap=$(count_pcap)
	if [ -n "$in_pcap" ]; then
		agree "in the RAW files" "$in_files" "in the pcap" "$in_pcap"
	else
		not_compared "in the pcap" "neither tcpdump nor capinfos is here to count them"
	fi
	say
	if [ $verdict != 0 ]; then
		say "   THE NUMBERS DO NOT AGREE."
	elif [ "$stored" = 0 ]; then
		say "   There was no frame on ${IFACE:-the cable}, so this shows nothing."
	elif [ -n "${sent:-}" ]; then
		say "   The ledger balances: every frame that was sent is in the files or accounted for."
	else
		say "   Every frame that hpcapdd was given is in the files. What $IFACE lost before that is in the"
		say "   ledger as nic_missed and nic_error, as far as the kernel says."
	fi
}

what_next() {
	step "What next"
	say "   The files:      $DIR ($(du -sh "$DIR" | cut -f1))"
	say "   Look at them:   wireshark $pcap"
	say "   A second of it: $TOOLS/raw2pcap --from +1s --to +2s $DIR -o second.pcap"
	[ -n "$IFACE" ] || say "   Real traffic:   make run IFACE=eth0   (as root)"
	say "   Your own:       README.md has the everyday jobs, docs/ each tool"
}

# The files are large. On a terminal, the script asks whether to remove them; otherwise it prints the command.
offer_removal() {
	local answer=
	finished=yes
	if [ -t 0 ] && [ -t 1 ]; then
		read -r -p "   Remove the files now? [y/N] " answer || true
	fi
	case $answer in
	[yY]*) rm -rf "$DIR" && say "   removed: $DIR" ;;
	*) say "   Remove them:    rm -r $DIR" ;;
	esac
}

# ---------------------------------------------------------------------------- main
[[ $SECONDS_TO_RUN =~ ^[1-9][0-9]{0,4}$ ]] ||
	die "SECONDS=$SECONDS_TO_RUN: expected a number of seconds, such as 10" 2
for tool in hpcapd hpcapdd hpcap-bench checkraw raw2pcap; do
	[ -x "$TOOLS/$tool" ] || die "$TOOLS/$tool is missing: make build"
done
prepare_folder

if [ -n "$IFACE" ]; then
	say "hpcap: $SECONDS_TO_RUN seconds of interface $IFACE, recorded, checked and converted."
	[ -d "/sys/class/net/$IFACE" ] || die "there is no interface $IFACE (hpcapdd -D lists them)" 2
	counted_before=$(kernel_count)
	start_daemon "af_packet:$IFACE"
	start_recorder --duration "${SECONDS_TO_RUN}s"
	finish_recorder
	counted_after=$(kernel_count)
elif [ "$(id -u)" = 0 ] && make_cable; then
	say "hpcap: $SECONDS_TO_RUN seconds of generated traffic over a virtual cable, recorded, checked,"
	say "converted, and compared with the ledger."
	step "A virtual cable, wire0 to wire1, in a network namespace of its own"
	show "ip link add wire0 type veth peer name wire1"
	start_daemon af_packet:wire1
	start_recorder
	send_frames
	wait_for 60 all_arrived || true
	stop_recorder
else
	say "hpcap: $SECONDS_TO_RUN seconds of traffic that hpcapd generates itself, recorded, checked and"
	say "converted. (As root, where network namespaces can be made, it goes over a virtual cable.)"
	# The number of frames gives about the wanted time. The daemon counts them from the first one.
	sent=$((SECONDS_TO_RUN * 160000))
	start_daemon "gen:size=imix,rate=160000pps,count=$sent"
	start_recorder
	finish_recorder
fi
check_files
convert_files
show_frames
balance
what_next
offer_removal
exit $verdict
