/** Syscalls that every container may make; what is in none of these lists answers ENOSYS. */
export const ALLOWED = words(`
  _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir
  chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
  clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range
  creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
  epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
  fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32
  fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsconfig fsetxattr
  fsmount fsopen fspick fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex
  futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_mempolicy
  get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid
  geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid
  getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage
  getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
  inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
  io_setup io_submit ioctl ioprio_get ioprio_set ipc keyctl kill landlock_add_rule
  landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
  listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise
  map_shadow_stack mbind membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat
  mlock mlock2 mlockall mmap mmap2 mount mount_setattr move_mount mprotect mq_getsetattr mq_notify
  mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap
  mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
  newfstatat open open_tree openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal pipe
  pipe2 pivot_root pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv
  preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64
  ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv reboot recv recvfrom
  recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat
  renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
  sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
  sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
  semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy
  set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid
  setgid32 setgroups setgroups32 setitimer setns setpgid setpriority setregid setregid32 setresgid
  setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32
  setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd
  signalfd4 sigpending sigprocmask sigreturn sigsuspend socketcall socketpair splice stat stat64
  statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo syslog tee
  tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
  timer_settime timer_settime64 timerfd timerfd_create timerfd_gettime timerfd_gettime64
  timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask umount umount2
  uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork wait4 waitid
  waitpid write writev
`);

/** Syscalls of one architecture that every container may make. */
export const ALLOWED_BY_ARCHITECTURE: Readonly<Record<string, readonly string[]>> = {
  x86_64: words("arch_prctl modify_ldt"),
  aarch64: words(
    "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
  ),
};

/** Syscalls that answer EPERM, so that programs see a refusal and not an old kernel. */
export const REFUSED = words(`
  bdflush cachectl io_pgetevents kexec_file_load kexec_load migrate_pages move_pages nfsservctl
  nice oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase pciconfig_read
  pciconfig_write sgetmask ssetmask swapoff swapon sysfs uselib userfaultfd ustat vm86 vm86old vmsplice
`);

/** Allowed with any of the capabilities, else EPERM. */
export const BY_CAPABILITY: readonly {
  readonly capabilities: readonly string[];
  readonly names: readonly string[];
}[] = [
  { capabilities: ["CAP_DAC_READ_SEARCH"], names: words("open_by_handle_at") },
  {
    capabilities: ["CAP_SYS_ADMIN"],
    names: words(`
      fanotify_init lookup_dcookie quotactl quotactl_fd setdomainname sethostname
      set_mempolicy_home_node unshare
    `),
  },
  { capabilities: ["CAP_SYS_ADMIN", "CAP_BPF"], names: words("bpf") },
  { capabilities: ["CAP_SYS_ADMIN", "CAP_PERFMON"], names: words("perf_event_open") },
  { capabilities: ["CAP_SYS_CHROOT"], names: words("chroot") },
  {
    capabilities: ["CAP_SYS_MODULE"],
    names: words("delete_module finit_module init_module query_module"),
  },
  { capabilities: ["CAP_SYS_PACCT"], names: words("acct") },
  { capabilities: ["CAP_SYS_PTRACE"], names: words("kcmp process_madvise") },
  { capabilities: ["CAP_SYS_RAWIO"], names: words("ioperm iopl") },
  {
    capabilities: ["CAP_SYS_TIME"],
    names: words("clock_settime clock_settime64 settimeofday stime"),
  },
  { capabilities: ["CAP_SYS_TTY_CONFIG"], names: words("vhangup") },
];

/** Values of personality(2) that change nothing dangerous: Linux, and its 32-bit and uname-2.6 forms. */
export const PERSONALITIES: readonly number[] = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** All namespace flags of clone(2) but CLONE_NEWTIME, which shares its bit with the exit signal. */
export const CLONE_NAMESPACE_FLAGS: readonly number[] = [
  ...[0x00020000, 0x02000000, 0x04000000, 0x08000000],
  ...[0x10000000, 0x20000000, 0x40000000],
];

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
