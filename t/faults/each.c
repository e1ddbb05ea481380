
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * LD_PRELOAD: the Nth call of a kind fails, or all from the Nth on.  What
 * fails is said in the file named by TECKEN_EACH, which is mapped, so that
 * asking costs nothing and allocates nothing:
 *
 *     int32  pid      whose calls; 0: nobody's
 *     int32  kind     an of the enum below
 *     int32  nth
 *     int32  all      from the nth on
 *     int32  errno    0: a write() writes half
 *     int32  count    of calls seen; ours
 *     int32  hits     of calls that have failed; ours
 *     char   text[]   what the path of a file must have in it; that of a
 *                     socket is "socket:[...]"
 *
 * MEMORY is malloc() and its like; OPEN is openat() and opendir(), too, and so
 * on.
 */


#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>


enum {
    MEMORY, OPEN, READ, WRITE, FSYNC, STAT, RENAME, UNLINK, MKDIR, TRUNCATE,
    FLOCK, CLOSE, RECV, SEND, ACCEPT, CONNECT
};


typedef struct {
    volatile int32_t  pid;
    int32_t           kind;
    int32_t           nth;
    int32_t           all;
    int32_t           err;
    int32_t           count;
    int32_t           hits;
    char              text[228];
} control_t;


extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);


static control_t  *control;


__attribute__((constructor))
static void
map(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("TECKEN_EACH");
    fd = name ? open(name, O_RDWR|O_CLOEXEC) : -1;

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(control_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        control = p;
    }

    close(fd);
}


static int
armed(int kind)
{
    return control && control->pid && control->kind == kind
           && control->pid == getpid();
}


static int
hit(void)
{
    int32_t  n;

    n = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);

    if (n < control->nth || (n > control->nth && !control->all)) {
        return 0;
    }

    __atomic_add_fetch(&control->hits, 1, __ATOMIC_SEQ_CST);
    errno = control->err;

    return 1;
}


static int
fails(int kind, const char *path)
{
    return armed(kind) && strstr(path, control->text) && hit();
}


static int
fd_fails(int kind, int fd)
{
    char     link[64], path[4096];
    ssize_t  n;

    if (!armed(kind)) {
        return 0;
    }

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);

    n = readlink(link, path, sizeof(path) - 1);
    if (n == -1) {
        return 0;
    }

    path[n] = '\0';

    return strstr(path, control->text) && hit();
}


/* relative to a directory, or, from openat(), to none */

static int
at_fails(int kind, int fd, const char *path)
{
    return path[0] == '/' ? fails(kind, path) : fd_fails(kind, fd);
}


void *
malloc(size_t size)
{
    return armed(MEMORY) && hit() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return armed(MEMORY) && hit() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return armed(MEMORY) && hit() ? NULL : __libc_realloc(p, size);
}


void *
memalign(size_t alignment, size_t size)
{
    return armed(MEMORY) && hit() ? NULL : __libc_memalign(alignment, size);
}


void *
aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    *p = memalign(alignment, size);

    return *p ? 0 : ENOMEM;
}


#define NEXT(ret, name, ...)                                                  \
    static ret  (*next)(__VA_ARGS__);                                         \
                                                                              \
    if (next == NULL) {                                                       \
        next = (ret (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name);                 \
    }


#define OPEN_MODE                                                             \
    int      mode;                                                            \
    va_list  args;                                                            \
                                                                              \
    va_start(args, flags);                                                    \
    mode = va_arg(args, int);                                                 \
    va_end(args);


int
open(const char *path, int flags, ...)
{
    OPEN_MODE
    NEXT(int, "open", const char *, int, int)

    return fails(OPEN, path) ? -1 : next(path, flags, mode);
}


int
open64(const char *path, int flags, ...)
{
    OPEN_MODE
    NEXT(int, "open64", const char *, int, int)

    return fails(OPEN, path) ? -1 : next(path, flags, mode);
}


int
openat(int fd, const char *path, int flags, ...)
{
    OPEN_MODE
    NEXT(int, "openat", int, const char *, int, int)

    return at_fails(OPEN, fd, path) ? -1 : next(fd, path, flags, mode);
}


int
openat64(int fd, const char *path, int flags, ...)
{
    OPEN_MODE
    NEXT(int, "openat64", int, const char *, int, int)

    return at_fails(OPEN, fd, path) ? -1 : next(fd, path, flags, mode);
}


DIR *
opendir(const char *path)
{
    NEXT(DIR *, "opendir", const char *)

    return fails(OPEN, path) ? NULL : next(path);
}


ssize_t
read(int fd, void *buf, size_t size)
{
    NEXT(ssize_t, "read", int, void *, size_t)

    return fd_fails(READ, fd) ? -1 : next(fd, buf, size);
}


ssize_t
pread64(int fd, void *buf, size_t size, off64_t offset)
{
    NEXT(ssize_t, "pread64", int, void *, size_t, off64_t)

    return fd_fails(READ, fd) ? -1 : next(fd, buf, size, offset);
}


ssize_t
write(int fd, const void *buf, size_t size)
{
    NEXT(ssize_t, "write", int, const void *, size_t)

    if (fd_fails(WRITE, fd)) {
        return control->err ? -1 : next(fd, buf, (size + 1) / 2);
    }

    return next(fd, buf, size);
}


ssize_t
pwrite64(int fd, const void *buf, size_t size, off64_t offset)
{
    NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t)

    if (fd_fails(WRITE, fd)) {
        return control->err ? -1 : next(fd, buf, (size + 1) / 2, offset);
    }

    return next(fd, buf, size, offset);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    struct iovec  half;
    NEXT(ssize_t, "writev", int, const struct iovec *, int)

    if (fd_fails(SEND, fd)) {
        return -1;
    }

    if (fd_fails(WRITE, fd)) {
        half = iov[0];
        half.iov_len = (half.iov_len + 1) / 2;

        return control->err ? -1 : next(fd, &half, 1);
    }

    return next(fd, iov, n);
}


int
fsync(int fd)
{
    NEXT(int, "fsync", int)

    return fd_fails(FSYNC, fd) ? -1 : next(fd);
}


int
fdatasync(int fd)
{
    NEXT(int, "fdatasync", int)

    return fd_fails(FSYNC, fd) ? -1 : next(fd);
}


int
stat64(const char *path, struct stat64 *st)
{
    NEXT(int, "stat64", const char *, struct stat64 *)

    return fails(STAT, path) ? -1 : next(path, st);
}


int
fstat64(int fd, struct stat64 *st)
{
    NEXT(int, "fstat64", int, struct stat64 *)

    return fd_fails(STAT, fd) ? -1 : next(fd, st);
}


int
fstatat64(int fd, const char *path, struct stat64 *st, int flags)
{
    NEXT(int, "fstatat64", int, const char *, struct stat64 *, int)

    return at_fails(STAT, fd, path) ? -1 : next(fd, path, st, flags);
}


int
fstatvfs64(int fd, struct statvfs64 *fs)
{
    NEXT(int, "fstatvfs64", int, struct statvfs64 *)

    return fd_fails(STAT, fd) ? -1 : next(fd, fs);
}


int
rename(const char *old, const char *new)
{
    NEXT(int, "rename", const char *, const char *)

    return fails(RENAME, old) ? -1 : next(old, new);
}


int
renameat(int from, const char *old, int to, const char *new)
{
    NEXT(int, "renameat", int, const char *, int, const char *)

    return at_fails(RENAME, from, old) ? -1 : next(from, old, to, new);
}


int
link(const char *old, const char *new)
{
    NEXT(int, "link", const char *, const char *)

    return fails(RENAME, old) ? -1 : next(old, new);
}


int
linkat(int from, const char *old, int to, const char *new, int flags)
{
    NEXT(int, "linkat", int, const char *, int, const char *, int)

    return at_fails(RENAME, to, new) ? -1 : next(from, old, to, new, flags);
}


int
unlink(const char *path)
{
    NEXT(int, "unlink", const char *)

    return fails(UNLINK, path) ? -1 : next(path);
}


int
unlinkat(int fd, const char *path, int flags)
{
    NEXT(int, "unlinkat", int, const char *, int)

    return at_fails(UNLINK, fd, path) ? -1 : next(fd, path, flags);
}


int
mkdir(const char *path, mode_t mode)
{
    NEXT(int, "mkdir", const char *, mode_t)

    return fails(MKDIR, path) ? -1 : next(path, mode);
}


int
mkdirat(int fd, const char *path, mode_t mode)
{
    NEXT(int, "mkdirat", int, const char *, mode_t)

    return at_fails(MKDIR, fd, path) ? -1 : next(fd, path, mode);
}


int
ftruncate64(int fd, off64_t size)
{
    NEXT(int, "ftruncate64", int, off64_t)

    return fd_fails(TRUNCATE, fd) ? -1 : next(fd, size);
}


int
flock(int fd, int how)
{
    NEXT(int, "flock", int, int)

    return fd_fails(FLOCK, fd) ? -1 : next(fd, how);
}


int
close(int fd)
{
    int  rc, failed;
    NEXT(int, "close", int)

    failed = fd_fails(CLOSE, fd);
    rc = next(fd);

    if (failed) {
        errno = control->err;
        rc = -1;
    }

    return rc;
}


ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
    NEXT(ssize_t, "recv", int, void *, size_t, int)

    return fd_fails(RECV, fd) ? -1 : next(fd, buf, size, flags);
}


ssize_t
send(int fd, const void *buf, size_t size, int flags)
{
    NEXT(ssize_t, "send", int, const void *, size_t, int)

    return fd_fails(SEND, fd) ? -1 : next(fd, buf, size, flags);
}


int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    NEXT(int, "connect", int, const struct sockaddr *, socklen_t)

    return fd_fails(CONNECT, fd) ? -1 : next(fd, addr, len);
}


int
accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    NEXT(int, "accept4", int, struct sockaddr *, socklen_t *, int)

    return fd_fails(ACCEPT, fd) ? -1 : next(fd, addr, len, flags);
}
