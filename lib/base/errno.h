/* SPDX-License-Identifier: MIT */
/* Error numbers, with the values of the Linux x86-64 ABI: a syscall returns them negated. */
#ifndef LIB_BASE_ERRNO_H
#define LIB_BASE_ERRNO_H

#define ERRNO_LIST(X)								\
	X(EPERM, 1) X(ENOENT, 2) X(ESRCH, 3) X(EINTR, 4) X(EIO, 5) X(ENXIO, 6)	\
	X(E2BIG, 7) X(ENOEXEC, 8) X(EBADF, 9) X(ECHILD, 10) X(EAGAIN, 11)	\
	X(ENOMEM, 12) X(EACCES, 13) X(EFAULT, 14) X(ENOTBLK, 15) X(EBUSY, 16)	\
	X(EEXIST, 17) X(EXDEV, 18) X(ENODEV, 19) X(ENOTDIR, 20) X(EISDIR, 21)	\
	X(EINVAL, 22) X(ENFILE, 23) X(EMFILE, 24) X(ENOTTY, 25) X(ETXTBSY, 26)	\
	X(EFBIG, 27) X(ENOSPC, 28) X(ESPIPE, 29) X(EROFS, 30) X(EMLINK, 31)	\
	X(EPIPE, 32) X(EDOM, 33) X(ERANGE, 34) X(EDEADLK, 35)			\
	X(ENAMETOOLONG, 36) X(ENOLCK, 37) X(ENOSYS, 38) X(ENOTEMPTY, 39)	\
	X(ELOOP, 40) X(ENOMSG, 42) X(EIDRM, 43) X(ENODATA, 61) X(ETIME, 62) X(ENOLINK, 67) X(EPROTO, 71)	\
	X(EBADMSG, 74) X(EOVERFLOW, 75) X(EILSEQ, 84) X(EUSERS, 87)		\
	X(ENOTSOCK, 88) X(EDESTADDRREQ, 89) X(EMSGSIZE, 90) X(EPROTOTYPE, 91)	\
	X(ENOPROTOOPT, 92) X(EPROTONOSUPPORT, 93) X(ESOCKTNOSUPPORT, 94)	\
	X(EOPNOTSUPP, 95) X(ETOOMANYREFS, 109)					\
	X(EAFNOSUPPORT, 97) X(EADDRINUSE, 98) X(EADDRNOTAVAIL, 99)		\
	X(ENETUNREACH, 101) X(ECONNABORTED, 103) X(ECONNRESET, 104)		\
	X(ENOBUFS, 105) X(EISCONN, 106) X(ENOTCONN, 107) X(ETIMEDOUT, 110)	\
	X(ECONNREFUSED, 111) X(EHOSTDOWN, 112) X(EHOSTUNREACH, 113)		\
	X(EALREADY, 114) X(EINPROGRESS, 115) X(ESTALE, 116) X(EUCLEAN, 117)	\
	X(EDQUOT, 122) X(ECANCELED, 125) X(ELIBBAD, 80) X(ELIBACC, 79)

#ifndef EPERM			/* the host's <errno.h> has the same names and values */
enum {
#define ERRNO_ENUM(n, v) n = v,
	ERRNO_LIST(ERRNO_ENUM)
#undef ERRNO_ENUM
	EWOULDBLOCK = EAGAIN,
	ENOTSUP = EOPNOTSUPP,
};
#endif

/* Kernel-only results; never seen by a program (the signal code turns them into EINTR or a restart). */
#define ERESTARTSYS	512	/* restart if the handler says SA_RESTART, or there is no handler */
#define ERESTARTNOINTR	513	/* restart always */
#define ERESTARTNOHAND	514	/* restart if no handler ran */
#define ERESTART_RESTARTBLOCK 516 /* restart through restart_syscall */

/* The last number that a program knows (EHWPOISON): a peer that says a higher one says nothing. */
#define ERRNO_LAST	133

const char *errno_name(int err);	/* err of either sign; "E?" when unknown */

#endif
