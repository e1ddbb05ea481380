
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


/*
 * A spool with nothing before it: what the disk gives to who writes crashes
 * as antenna_spool_sync strict does.
 *
 *     spoolbench DIR SIZE THREADS SECONDS
 *
 * Each thread writes one file of SIZE bytes after the other to DIR/tmp in
 * pieces of 64 KiB, syncs it, renames it to DIR/new, syncs that.  Prints
 * "files=N usec=N cpu_usec=N".
 */


#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>


#define PIECE        65536
#define MAX_THREADS  256


typedef struct {
    pthread_t        thread;
    unsigned         number;
    uint64_t         files;
} writer_t;


static const char   *dir;
static size_t        size;
static uint64_t      end;
static char          piece[PIECE];


static void
fail(const char *call, const char *name)
{
    fprintf(stderr, "spoolbench: %s \"%s\" failed: %s\n", call, name,
            strerror(errno));
    exit(1);
}


static uint64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


static void
write_file(int fd, const char *name)
{
    size_t   left, len;
    ssize_t  n;

    for (left = size; left; left -= (size_t) n) {
        len = left < PIECE ? left : PIECE;

        n = write(fd, piece, len);
        if (n <= 0) {
            fail("write()", name);
        }
    }
}


static void
sync_dir(const char *name)
{
    int  fd;

    fd = open(name, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        fail("open()", name);
    }

    if (fsync(fd) == -1) {
        fail("fsync()", name);
    }

    close(fd);
}


static void *
write_files(void *data)
{
    writer_t  *w = data;

    int        fd;
    char       tmp[4096], new[4096], to[4096];

    snprintf(to, sizeof(to), "%s/new", dir);

    while (now() < end) {
        snprintf(tmp, sizeof(tmp), "%s/tmp/%u.%" PRIu64, dir, w->number,
                 w->files);
        snprintf(new, sizeof(new), "%s/new/%u.%" PRIu64, dir, w->number,
                 w->files);

        fd = open(tmp, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600);
        if (fd == -1) {
            fail("open()", tmp);
        }

        write_file(fd, tmp);

        if (fsync(fd) == -1) {
            fail("fsync()", tmp);
        }

        if (rename(tmp, new) == -1) {
            fail("rename()", tmp);
        }

        sync_dir(to);

        if (close(fd) == -1) {
            fail("close()", new);
        }

        w->files++;
    }

    return NULL;
}


static uint64_t
cpu(void)
{
    struct rusage  ru;

    getrusage(RUSAGE_SELF, &ru);

    return (uint64_t) (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000
           + (uint64_t) (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}


int
main(int argc, char **argv)
{
    double     seconds;
    size_t     i;
    unsigned   n, threads;
    uint64_t   start, files;
    writer_t   writers[MAX_THREADS];

    if (argc != 5) {
        fprintf(stderr, "usage: spoolbench DIR SIZE THREADS SECONDS\n");
        return 2;
    }

    dir = argv[1];
    size = strtoul(argv[2], NULL, 10);
    threads = (unsigned) strtoul(argv[3], NULL, 10);
    seconds = strtod(argv[4], NULL);

    if (threads == 0 || threads > MAX_THREADS || seconds <= 0) {
        fprintf(stderr, "spoolbench: 1 to %d threads, for some time\n",
                MAX_THREADS);
        return 2;
    }

    for (i = 0; i < PIECE; i++) {
        piece[i] = (char) rand();
    }

    memset(writers, 0, sizeof(writers));

    start = now();
    end = start + (uint64_t) (seconds * 1e6);

    for (n = 0; n < threads; n++) {
        writers[n].number = n;

        if (pthread_create(&writers[n].thread, NULL, write_files,
                           &writers[n])
            != 0)
        {
            fail("pthread_create()", "");
        }
    }

    for (n = 0, files = 0; n < threads; n++) {
        pthread_join(writers[n].thread, NULL);
        files += writers[n].files;
    }

    printf("files=%" PRIu64 " usec=%" PRIu64 " cpu_usec=%" PRIu64 "\n",
           files, now() - start, cpu());

    return 0;
}
