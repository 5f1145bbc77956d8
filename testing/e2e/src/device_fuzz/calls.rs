//! Random system calls on open device files, other than ioctl(2) and calls on mappings.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::Fuzzer;

impl Fuzzer {
    pub(super) fn open(&mut self) {
        let device = &self.devices[self.random.index(self.devices.len())];
        let path = CString::new(device.as_os_str().as_bytes()).unwrap();
        let mode = [libc::O_RDWR, libc::O_RDWR, libc::O_RDONLY, libc::O_WRONLY];
        let extra = [
            0,
            0,
            libc::O_NONBLOCK,
            libc::O_DIRECT,
            libc::O_PATH,
            libc::O_APPEND,
            libc::O_TRUNC,
        ];
        let flags = mode[self.random.index(4)] | extra[self.random.index(extra.len())];
        // SAFETY: the path ends with a zero byte.
        let answer = Errno::result(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) });
        if let Ok(fd) = answer {
            self.files.put(fd, &mut self.random);
        }
        self.count("open", answer.map(drop));
    }

    /// Closes a descriptor that another thread may be using, or duplicates one.
    pub(super) fn close(&mut self) {
        if self.random.below(4) == 0 {
            let fd = self.file();
            // SAFETY: a new descriptor of the same file; its number replaces none.
            let answer = Errno::result(unsafe { libc::dup(fd) });
            if let Ok(copy) = answer {
                self.files.put(copy, &mut self.random);
            }
            return self.count("dup", answer.map(drop));
        }
        let answer = self.files.close_any(&mut self.random);
        self.count("close", if answer { Ok(()) } else { Err(Errno::EBADF) });
    }

    pub(super) fn poll(&mut self) {
        let mut asked = [libc::pollfd {
            fd: 0,
            events: 0,
            revents: 0,
        }; 3];
        for one in &mut asked {
            one.fd = self.file();
            let any = self.random.next_u64() as i16;
            one.events = any | libc::POLLIN;
        }
        let timeout = [0, 0, 1, 3, -1][self.random.index(5)];
        if self.random.below(4) == 0 {
            return self.poll_with_epoll(asked[0].fd);
        }
        // SAFETY: `asked` is an array of three.
        let answer = Errno::result(unsafe { libc::poll(asked.as_mut_ptr(), 3, timeout) });
        self.count("poll", answer.map(drop));
    }

    /// An epoll instance holds no reference to the files that it watches, so they can be closed
    /// while they are watched.
    fn poll_with_epoll(&mut self, fd: i32) {
        // SAFETY: takes no pointer.
        let epoll = Errno::result(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
        let Ok(epoll) = epoll else {
            return self.count("epoll", epoll.map(drop));
        };
        #[expect(clippy::cast_sign_loss, reason = "flags")]
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: 1,
        };
        // SAFETY: `event` lives longer than the call.
        let added = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        let added = Errno::result(added).map(drop);
        if self.random.below(2) == 0 {
            self.files.close_any(&mut self.random);
        }
        // SAFETY: the buffer has room for one event.
        unsafe { libc::epoll_wait(epoll, &raw mut event, 1, 1) };
        // SAFETY: the descriptor was opened above, and no other code knows it.
        unsafe { libc::close(epoll) };
        self.count("epoll", added);
    }

    /// Makes a call that the author of a driver may not have considered.
    pub(super) fn odd_call(&mut self) {
        let fd = self.file();
        let bytes = [64, 4096, 1 << 20, usize::MAX >> 1][self.random.index(4)];
        let at = self.arena.room(4096, &mut self.random) as *mut libc::c_void;
        let offset = (self.random.next_u64() >> self.random.below(64)).cast_signed();
        // SAFETY (all below): buffers are in the arena or bad addresses, which the kernel checks;
        // no descriptor but those of the devices is used.
        let (call, answer) = match self.random.below(12) {
            // SAFETY: see above.
            0 => ("read", unsafe { libc::read(fd, at, bytes) }),
            // SAFETY: see above.
            1 => ("write", unsafe { libc::write(fd, at, bytes) }),
            // SAFETY: see above.
            2 => ("pread", unsafe { libc::pread(fd, at, bytes, offset) }),
            // SAFETY: see above.
            3 => ("pwrite", unsafe { libc::pwrite(fd, at, bytes, offset) }),
            // SAFETY: see above.
            4 => {
                let whence = libc::c_int::from(self.random.index(6) as u8);
                // SAFETY: see above.
                let at = unsafe { libc::lseek(fd, offset, whence) };
                ("lseek", isize::try_from(at).unwrap_or(isize::MAX))
            }
            // SAFETY: see above.
            5 => ("ftruncate", unsafe { libc::ftruncate(fd, offset) as isize }),
            // SAFETY: see above.
            6 => ("fallocate", unsafe {
                libc::fallocate(fd, 0, 0, offset) as isize
            }),
            // SAFETY: see above.
            7 => ("fsync", unsafe { libc::fsync(fd) as isize }),
            8 => {
                let flags = [0, libc::O_NONBLOCK, libc::O_ASYNC, libc::O_APPEND];
                let flags = flags[self.random.index(4)];
                // SAFETY: see above; the owner is this process, which ignores SIGIO.
                unsafe { libc::fcntl(fd, libc::F_SETOWN, libc::getpid()) };
                // SAFETY: see above.
                let answer = unsafe { libc::fcntl(fd, libc::F_SETFL, flags) };
                ("fcntl", answer as isize)
            }
            // SAFETY: see above; the structure is smaller than the room.
            9 => ("fstat", unsafe { libc::fstat(fd, at.cast()) as isize }),
            // SAFETY: see above.
            10 => ("flock", unsafe {
                libc::flock(fd, libc::LOCK_SH | libc::LOCK_NB) as isize
            }),
            // SAFETY: see above.
            _ => ("splice", unsafe {
                libc::sendfile(fd, fd, std::ptr::null_mut(), bytes)
            }),
        };
        self.count(call, Errno::result(answer).map(drop));
    }

    /// Forks a child, which has copies of all descriptors and mappings for a moment.
    pub(super) fn fork(&mut self) {
        let fd = self.file();
        // SAFETY: the child makes system calls only, none of which takes a lock or memory of
        // the process, and ends without running anything of Rust's.
        match Errno::result(unsafe { libc::fork() }) {
            Ok(0) => {
                let mut asked = libc::pollfd {
                    fd,
                    events: libc::POLLIN,
                    revents: 0,
                };
                // SAFETY: `asked` is one structure, which exists in the child, too.
                unsafe { libc::poll(&raw mut asked, 1, 0) };
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(0) }
            }
            Ok(child) => {
                let mut status = 0;
                // SAFETY: `child` is a child of this process, and `status` is a valid place for its
                // status.
                while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1
                    && Errno::last() == Errno::EINTR
                {}
                self.count("fork", Ok(()));
            }
            Err(errno) => self.count("fork", Err(errno)),
        }
    }
}
