#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs the commands of README.md's section "How do I" as they are written, on interfaces called eth0 and eth1 in a
# network namespace of their own, with traffic on them. Each job of the section has a check in this script, named after
# its heading, and each check has a job, so the README has no untested command. Where the README shows the output of a
# command, the command must print such lines.
#
#   scripts/test-readme.sh FOLDER-WITH-THE-TOOLS [JOB...]
#
# In a command, a folder of the test replaces /data, tshark replaces Wireshark, and sudo is removed, because the test is
# root. Some checks replace more, and say so by `replace`.
#
# The checks are called only by name, and their commands expand later:
# shellcheck disable=SC2317,SC2016
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" != --inside ]; then
	tools=$(realpath "${1:?usage: scripts/test-readme.sh FOLDER-WITH-THE-TOOLS [JOB...]}")
	shift
	if [ "$(id -u)" != 0 ]; then
		echo "test-readme: skipped: network namespaces take root"
		exit 0
	fi
	# The namespace vanishes with its processes, however they end.
	exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$tools" "$@"
fi
shift
readonly TOOLS=$1
shift
readonly REPOSITORY=$PWD
export PATH=$TOOLS:$PATH TZ=UTC
lab=$(mktemp -d "${TMPDIR:-/tmp}/hpcap-readme.XXXXXX")
trap 'rm -rf "$lab"' EXIT
export HPCAP_RUN_DIR=$lab/run

die() {
	echo "test-readme: FAILED: $*" >&2
	sed 's/^/  | /' "$lab"/job/*.log >&2 2>/dev/null || true
	exit 1
}

# wait_for WHAT COMMAND...: waits until the command succeeds, for a minute, which is enough on a busy machine.
wait_for() {
	local what=$1 tries=600
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "$job: gave up waiting for $what"
		sleep 0.1
	done
}

# ---------------------------------------------------------------------------- the network
# eth0 and eth1 receive what wire0 and wire1 send. The routes lead all traffic of the test through wire0 and wire1.
make_network() {
	local n
	ip link set lo up
	for n in 0 1; do
		ip link add "eth$n" type veth peer name "wire$n"
		ip link set "eth$n" up
		ip link set "wire$n" up
		ip addr add "10.9.$n.1/24" dev "wire$n"
		ip neigh add "10.9.$n.2" lladdr 02:00:00:00:00:02 dev "wire$n"
	done
	ip route add 192.0.2.0/24 via 10.9.0.2
}

# Sends one datagram each of DNS, of the flow that a job asks for, and of others, on both interfaces.
send_datagrams() {
	local to
	for to in 10.9.0.2/53 192.0.2.7/443 10.9.0.2/7000 10.9.1.2/53 10.9.1.2/7000; do
		printf '%0200d' 0 >"/dev/udp/$to" || true
	done
}

# Sends traffic until the script kills it.
start_traffic() {
	while :; do
		send_datagrams
		sleep 0.05
	done 2>/dev/null &
	traffic=$!
}

# ---------------------------------------------------------------------------- the README
# Prints the command of a job in README.md.
command_of() {
	awk -v title="$1" '
		/^## / { inside = ($0 == "## How do I") }
		inside && /^### / { wanted = ($0 == "### " title) }
		inside && wanted && /^    / { sub(/^    /, ""); print; found = 1 }
		inside && wanted && found && /^$/ { exit }
	' "$REPOSITORY/README.md"
}

titles() { awk '/^## / { inside = ($0 == "## How do I") } inside && /^### / { sub(/^### /, ""); print }' README.md; }
slug() { tr 'A-Z ' 'a-z_' <<<"$1" | tr -cd 'a-z0-9_'; }

# ---------------------------------------------------------------------------- running a job
# Runs the command in the background. SIGINT is not ignored, as in a shell on a terminal.
start() {
	printf '%s\n' "$command" >"$lab/job/command.log"
	env --default-signal=INT setsid bash -c "$command" >"$lab/job/out.log" 2>"$lab/job/err.log" &
	running=$!
}

ends_with() {
	local code=0
	wait "$running" || code=$?
	[ "$code" = "$1" ] || die "$job: exit code $code, expected $1"
}

# Ends a command that goes on until SIGINT.
interrupt() {
	kill -INT -- "-$running"
	ends_with 0
}

# finish_with CODE: runs a command that ends by itself with this exit code.
finish_with() {
	start
	ends_with "$1"
}

printed() { grep -sqE -- "$1" "$lab/job/out.log" "$lab/job/err.log"; }
says() { printed "$1" || die "$job: the output has no '$1'"; }
files() { find "$lab/data" -name "$1" | wc -l; }
has_files() { [ "$(files "$1")" -ge "$2" ]; }
# frames FILE [FILTER]: prints the number of matching frames, also of a file that is still being written.
frames() { tcpdump --count -nnr "$@" 2>/dev/null | grep -oE '^[0-9]+' || echo 0; }
has_ten() { [ "$(frames "$1")" -ge 10 ]; }
convert() { raw2pcap --quiet --force "$lab/data" -o "$lab/job/all.pcap"; }
has_frames() { [ "$(frames "$@")" -ge 1 ] || die "$job: no frame in $*"; }
has_no_frames() { [ "$(frames "$@")" = 0 ] || die "$job: $(frames "$@") frames too many in $*"; }
replace() { command=${command//"$1"/"$2"}; }

# Makes a recording for jobs that read one.
record_sample() {
	hpcapdd -q -i eth0 -w "$lab/data" -c "${1:-100}"
}

# Makes a recording with losses, because no memory takes 400 Gb/s.
record_losses() {
	hpcapdd -q --source gen:size=1514,rate=400G,count=3000000 --ring 512K "$lab/data" 2>"$lab/job/losses.log"
}

stored_some() { has_files '*.raw.part' 1 && raw2pcap -q --force "$lab/data" -o "$lab/job/some.pcap" 2>/dev/null && [ "$(frames "$lab/job/some.pcap")" -ge "${1:-10}" ]; }

# ---------------------------------------------------------------------------- the jobs
job_rotate_every_minute_and_keep_ten_files() {
	replace 1m 300ms
	start
	wait_for "a deleted file" printed 'file deleted: .*keep-files'
	interrupt
	# The last file was still being written when the ten files before it were counted.
	local count
	count=$(files '*.raw')
	if [ "$count" -lt 10 ] || [ "$count" -gt 11 ]; then die "$job: $count files"; fi
}

job_record_only_port_53_and_128_bytes_of_each_frame() {
	start
	wait_for "ten frames" stored_some 10
	interrupt
	convert
	has_frames "$lab/job/all.pcap" port 53
	has_no_frames "$lab/job/all.pcap" not port 53
	# A pcap file has 24 bytes of file header, and 16 + 128 bytes for each of these frames.
	local count
	count=$(frames "$lab/job/all.pcap")
	[ "$(stat -c %s "$lab/job/all.pcap")" = $((24 + count * 144)) ] || die "$job: the frames are not cut"
}

job_look_at_live_traffic_in_wireshark() {
	replace "wireshark -k -i -" "tshark -i - -c 20"
	start
	wait_for "the first frame" printed UDP
	ends_with 0
}

job_stop_after_1_gb() {
	replace 1GB 20KB
	finish_with 0
	local bytes
	bytes=$(convert; stat -c %s "$lab/job/all.pcap")
	if [ "$bytes" -lt 15000 ] || [ "$bytes" -gt 30000 ]; then die "$job: $bytes bytes"; fi
}

job_capture_without_being_root() {
	mkdir -p "$lab/bin"
	replace target/release/ "$TOOLS/"
	replace /usr/local/bin/ "$lab/bin/"
	getent group hpcap >/dev/null || replace "-g hpcap" "-g nogroup"
	finish_with 0
	chmod 755 "$lab"
	chown nobody "$lab/data"
	local group
	group=$(stat -c %g "$lab/bin/hpcapdd")
	command="exec setpriv --reuid=nobody --regid=$group --clear-groups sh -c '$lab/bin/hpcapdd -i eth0 -w $lab/data -c 10'"
	finish_with 0
	has_files '*.raw' 1
	# Other users cannot start the program. Their shell tries it, because setpriv still has root's privileges.
	command="exec setpriv --reuid=nobody --regid=1 --clear-groups sh -c '$lab/bin/hpcapdd --version'"
	finish_with 126
}

job_run_it_as_a_service() {
	local unit=$lab/job/hpcapdd@eth0.service line
	sed "s|/usr/local/bin/hpcapdd|$TOOLS/hpcapdd|" "$REPOSITORY/packaging/systemd/hpcapdd@.service" >"$unit"
	[ "$command" = "systemctl enable --now hpcapdd@eth0" ] || die "$job: another unit than the one that is installed"
	! command -v systemd-analyze >/dev/null || systemd-analyze verify --man=no "$unit" >"$lab/job/verify.log" 2>&1 ||
		die "$job: systemd refuses the unit"
	# No service manager runs here, so the test runs the unit's line with the user and the capability of the unit.
	line=$(sed -n 's/^ExecStart=//p' "$unit")
	line=${line//%[iI]/eth0}
	line=${line//'$OPTIONS'/$(sed -n 's/^Environment="OPTIONS=\(.*\)"/\1/p' "$unit")}
	command="exec setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --bounding-set=-all,+net_raw \
		--inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw $line"
	replace /var/lib/hpcap/eth0 "$lab/data"
	replace 20G 1M
	chmod 755 "$lab"
	chown nobody "$lab/data"
	start
	wait_for "ten frames" stored_some 10
	interrupt
	has_files '*.raw' 1
}

job_find_out_what_was_lost_last_night() {
	record_sample
	finish_with 0
	record_losses
	finish_with 3
	says 'missing in [0-9]+ gaps?: .*nic_missed'
}

job_cut_a_minute_out_of_a_recording() {
	local first
	record_sample 300
	convert
	first=$(tcpdump -nn -tt -c 1 -r "$lab/job/all.pcap" 2>/dev/null | cut -d' ' -f1)
	replace 2026-11-20T06:17 "$(date -d "@$((${first%.*} + 1))" +%Y-%m-%dT%H:%M:%S)"
	replace 1m 3s
	finish_with 0
	has_frames minute.pcapng
	[ "$(frames minute.pcapng)" -lt 200 ] || die "$job: $(frames minute.pcapng) of 300 frames"
}

job_get_one_flow_out_of_a_recording() {
	record_sample
	finish_with 0
	has_frames flow.pcapng host 192.0.2.7 and port 443
	has_no_frames flow.pcapng not host 192.0.2.7
}

job_rotate_pcapng_on_the_hour_and_compress_it() {
	replace 1h 1s
	start
	wait_for "two compressed files" has_files '*.pcapng.zst' 2
	interrupt
	zstd -dcq "$(find "$lab/data" -name '*.zst' | sort | tail -1)" >one.pcapng
	has_frames one.pcapng
}

job_record_two_interfaces_into_one_file() {
	start
	wait_for "ten frames" has_ten both.pcapng.part
	interrupt
	local interface
	for interface in eth0 eth1; do
		tshark -r both.pcapng -Y "frame.interface_name == $interface" 2>/dev/null | grep -q . ||
			die "$job: no frame of $interface"
	done
}

job_write_one_pcapng_file() {
	start
	wait_for "ten frames" has_ten out.pcapng.part
	interrupt
	has_frames out.pcapng
}

job_see_rates_while_it_records() {
	start
	wait_for "the second rate" printed '^2 s .*pps'
	interrupt
}

job_read_the_comments_of_frames() {
	record_losses
	raw2pcap -q "$lab/data" -o all.pcapng
	finish_with 0
	says 'nic_missed'
}

# ---------------------------------------------------------------------------- what is shown
# Replaces what differs from run to run: numbers, times, and the prefixes of their units.
masked() {
	sed -E "s|$lab||; s/[0-9][0-9.:TZ+-]*/N/g; s:N [kMGTK]?(pps|b/s|B/s|iB|B)\\b:N \\1:g; s/, whole.*//; s/,? ?\\.\\.\\.$//"
}

# Runs each "    $ COMMAND" of the README. The command prints the lines below it; other lines may be between them.
check_shown_output() {
	local line shown
	job="what README.md shows"
	mkdir -p "$lab/job" "$lab/tmp"
	: >"$lab/job/printed"
	while IFS= read -r line; do
		line=${line#    }
		if [[ $line == '$ '* ]]; then
			command=${line#'$ '}
			replace /tmp/ "$lab/tmp/"
			bash -c "$command" >"$lab/job/out.log" 2>&1 || die "$command: exit code $?"
			masked <"$lab/job/out.log" >"$lab/job/printed"
			continue
		fi
		shown=$(masked <<<"$line")
		grep -qF -- "$shown" "$lab/job/printed" || die "$command: README.md shows a line that the command does not print: $line"
	done < <(awk '/^    \$ / { shown = 1 } !/^    / { shown = 0 } shown' "$REPOSITORY/README.md")
	rm -rf "$lab/job" "$lab/tmp"
	echo "test-readme: ok: $job"
}

# ---------------------------------------------------------------------------- main
run_job() {
	job=$1
	mkdir -p "$lab/job" "$lab/data" "$lab/cwd"
	cd "$lab/cwd"
	command=$(command_of "$job")
	[ -n "$command" ] || die "$job: README.md has no command below this heading"
	replace sudo\  ""
	replace /data "$lab/data"
	"job_$(slug "$job")"
	cd "$REPOSITORY"
	rm -rf "$lab/job" "$lab/data" "$lab/cwd" "$lab/run"
	echo "test-readme: ok: $job"
}

job=network
make_network
start_traffic
mapfile -t jobs < <(titles)
[ ${#jobs[@]} -gt 0 ] || die "README.md has no section 'How do I'"
checks=" "
for title in "${jobs[@]}"; do
	checks+="job_$(slug "$title") "
	declare -F "job_$(slug "$title")" >/dev/null || die "$title: scripts/test-readme.sh has no check of this job"
done
while read -r name; do
	[[ $checks == *" $name "* ]] || die "$name: README.md has no such job"
done < <(compgen -A function job_)
if [ $# = 0 ]; then
	check_shown_output
else
	jobs=("$@")
fi
for title in "${jobs[@]}"; do
	run_job "$title"
done
kill "$traffic"
echo "test-readme: ${#jobs[@]} jobs of README.md work as they are written"
