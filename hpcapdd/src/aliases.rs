//! Translates options of tcpdump and dumpcap (`-i`, `-w`, a filter as last words) into hpcapdd's
//! own.

use std::ffi::OsString;

use hpcap::{Error, QueueName, Result};

use crate::cli::Cli;

/// Replaces `-i`, `-w` and trailing words by source, operands and filter.
///
/// `hpcapdd -i eth0 -w /data port 53` becomes `hpcapdd --source af_packet:eth0 --filter 'port 53'
/// /data`. If the name after `-i` is that of a queue, the queue is recorded: `-i hpcap0` records
/// queue hpcap0, and `-i hpcap0:*` all queues of the adapter.
///
/// # Errors
/// [`Kind::Usage`](hpcap::Kind::Usage) if the source or the destination is missing, if the filter
/// is given twice, or if a queue is combined with options of a ring.
pub fn resolve_aliases(mut cli: Cli) -> Result<Cli> {
    let mut queue = None;
    let interfaces = std::mem::take(&mut cli.interface);
    let alone = interfaces.len() == 1;
    for interface in interfaces {
        let is_queue = interface.parse::<QueueName>().is_ok()
            || matches!(QueueName::adapter_of_all(&interface), Ok(Some(_)));
        if alone && is_queue {
            if cli.ring.is_some() || cli.pages.is_some() || cli.cpu.is_some() {
                return Err(Error::usage(
                    format!("--ring, --pages or --cpu with the queue {interface}"),
                    "its daemon decides about its ring: they are options of hpcapd, too",
                ));
            }
            queue = Some(OsString::from(interface));
        } else {
            cli.source.push(format!("af_packet:{interface}").into());
        }
    }
    if let Some(destination) = cli.write.take() {
        let mut words = std::mem::take(&mut cli.operands).into_iter();
        if queue.is_none() && cli.source.is_empty() {
            queue = Some(words.next().ok_or_else(|| {
                Error::usage(
                    "operands",
                    "what to record is missing: -i INTERFACE, --source SPEC or a queue such as hpcap0",
                )
            })?);
        }
        take_filter(&mut cli, words.collect())?;
        cli.operands.push(destination);
    } else if cli.operands.is_empty() {
        return Err(Error::usage(
            "operands",
            "where the frames go is missing: -w FOLDER, or -w - for pcapng on standard output",
        ));
    }
    cli.operands.splice(..0, queue);
    // A capture length of 0 means whole frames, as does no length.
    cli.caplen = cli.caplen.filter(|bytes| *bytes > 0);
    Ok(cli)
}

fn take_filter(cli: &mut Cli, words: Vec<OsString>) -> Result<()> {
    if words.is_empty() {
        return Ok(());
    }
    let words = words.into_iter().map(|word| {
        word.into_string().map_err(|word| {
            Error::usage(
                format!("filter {word:?}"),
                "a filter has only characters of UTF-8",
            )
        })
    });
    let words = words.collect::<Result<Vec<String>>>()?;
    if cli.filter.is_some() {
        return Err(Error::usage(
            format!("\"{}\"", words.join(" ")),
            "there is a filter already (-f): leave out one of them",
        ));
    }
    cli.filter = Some(words.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn read(line: &str) -> Result<Cli> {
        resolve_aliases(Cli::try_parse_from(line.split(' ')).unwrap())
    }

    /// Every line means the same as the one beside it.
    #[test]
    fn letters_of_tcpdump_mean_the_same() {
        for (familiar, ours) in [
            ("-i eth0 -w /data", "--source af_packet:eth0 /data"),
            ("-i eth0 /data", "--source af_packet:eth0 /data"),
            (
                "-i eth0,promisc=off -w -",
                "--source af_packet:eth0,promisc=off -",
            ),
            ("-i hpcap0:1 -w /data", "hpcap0:1 /data"),
            ("-w /data hpcap0", "hpcap0 /data"),
            ("--source gen: -w null", "--source gen: null"),
            (
                "-i e -w d -c 5 -s 64 -v",
                "--source af_packet:e d --frames 5 --caplen 64 --progress",
            ),
            ("-i e -w d -vv", "--source af_packet:e d --progress"),
            ("-i e -w d -s 0", "--source af_packet:e d"),
            ("-i e -w d -s 262144", "--source af_packet:e d"),
            (
                "-i e -w d --snaplen 96",
                "--source af_packet:e d --caplen 96",
            ),
            ("-i e -w d -f udp", "--source af_packet:e d --filter udp"),
            ("-i e -w d udp", "--source af_packet:e d --filter udp"),
            ("-w d hpcap0 udp", "hpcap0 d --filter udp"),
        ] {
            let cli = |line| format!("{:?}", read(&format!("hpcapdd {line}")).unwrap());
            assert_eq!(cli(familiar), cli(ours), "{familiar}");
        }
        let cli = read("hpcapdd -i e -w d udp port 53").unwrap();
        assert_eq!(cli.filter.as_deref(), Some("udp port 53"));
    }

    #[test]
    fn meaningless_line_is_refused() {
        for (line, missing) in [
            ("hpcapdd -i eth0", "-w FOLDER"),
            ("hpcapdd -w /data", "-i INTERFACE"),
            ("hpcapdd -i eth0 -w d -f udp tcp", "leave out one"),
            ("hpcapdd -i hpcap0 -w d --ring 1G", "options of hpcapd"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(missing), "{line}: {error}");
        }
    }
}
