
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>


static void ngx_antenna_io_index(ngx_antenna_io_t *io);
static const char *ngx_antenna_io_record(ngx_antenna_io_t *io, off_t end,
    ngx_antenna_io_record_t *record);
static void ngx_antenna_io_parse(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record, tk_spool_end_t *end);
static ngx_int_t ngx_antenna_io_push(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record);
static void ngx_antenna_io_turn(ngx_antenna_io_t *io);
static void ngx_antenna_io_read(ngx_antenna_io_t *io);
static ngx_int_t ngx_antenna_io_verify(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record);
static ngx_int_t ngx_antenna_io_sum(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record, tk_spool_object_t *obj);
static void ngx_antenna_io_refuse(ngx_antenna_io_t *io);
static void ngx_antenna_io_sync_dir(ngx_antenna_io_t *io, ngx_str_t *dir);
static ngx_int_t ngx_antenna_io_copy(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record, ngx_fd_t fd);
static void ngx_antenna_io_end(ngx_antenna_io_t *io);
static void ngx_antenna_io_reason(ngx_antenna_io_t *io, ngx_str_t *dir,
    const char *name);
static ngx_int_t ngx_antenna_io_pread(ngx_antenna_io_t *io, u_char *buf,
    size_t len, off_t offset);
static ngx_int_t ngx_antenna_io_error(ngx_antenna_io_t *io, const char *call);
static char *ngx_antenna_io_path(u_char *dst, ngx_str_t *dir,
    const char *name, const char *suffix);


void
ngx_antenna_io_run(ngx_antenna_io_t *io)
{
    io->call = NULL;
    *io->local = 1;

    switch (io->step) {

    case NGX_ANTENNA_IO_INDEX:
        ngx_antenna_io_index(io);
        break;

    case NGX_ANTENNA_IO_READ:
        ngx_antenna_io_read(io);
        break;

    case NGX_ANTENNA_IO_REFUSE:
        ngx_antenna_io_refuse(io);
        break;

    default: /* NGX_ANTENNA_IO_END */
        ngx_antenna_io_end(io);
    }

    *io->local = 0;
}


/* from the end of the file to its start, each record says how long it is */

static void
ngx_antenna_io_index(ngx_antenna_io_t *io)
{
    off_t                     end;
    u_char                    path[NGX_MAX_PATH];
    ngx_uint_t                i;
    const char               *reason;
    struct stat               st;
    ngx_antenna_io_record_t   record;

    io->fd = open(ngx_antenna_io_path(path, &io->spool->new,
                                      (char *) io->name, ""),
                  O_RDONLY|O_CLOEXEC|O_NOFOLLOW);

    if (io->fd == -1) {
        io->gone = (ngx_errno == NGX_ENOENT);
        (void) ngx_antenna_io_error(io, "open()");
        return;
    }

    if (fstat(io->fd, &st) == -1) {
        (void) ngx_antenna_io_error(io, "fstat()");
        return;
    }

    io->size = st.st_size;

    if (io->size == 0) {
        io->damage = "it is empty";
    }

    for (end = io->size; end; end = record.start) {

        reason = ngx_antenna_io_record(io, end, &record);

        if (io->call || reason) {
            free(record.rec.objects);
        }

        if (io->call) {
            return;
        }

        if (reason) {
            io->damage = reason;
            break;
        }

        if (ngx_antenna_io_push(io, &record) != NGX_OK) {
            return;
        }
    }

    ngx_antenna_io_turn(io);

    /* nothing goes to the storage that is not what the client has sent */

    for (i = io->first; i < io->n; i++) {
        if (ngx_antenna_io_verify(io, &io->records[i]) != NGX_OK) {
            return;
        }
    }
}


/*
 * Why there is no record that ends here, or NULL.  What is before a record
 * that is damaged itself is found nevertheless.
 */

static const char *
ngx_antenna_io_record(ngx_antenna_io_t *io, off_t end,
    ngx_antenna_io_record_t *record)
{
    u_char          line[TK_SPOOL_END], head[TK_SPOOL_HEAD];
    tk_spool_end_t  e;

    ngx_memzero(record, sizeof(ngx_antenna_io_record_t));

    if (end < TK_SPOOL_HEAD + TK_SPOOL_END) {
        return "it is too short";
    }

    if (ngx_antenna_io_pread(io, line, TK_SPOOL_END, end - TK_SPOOL_END)
        != NGX_OK)
    {
        return NULL;
    }

    if (tk_spool_parse_end(&e, line, end) != 0) {
        return "its end line is damaged";
    }

    record->length = e.length;
    record->start = end - e.length;

    if (ngx_antenna_io_pread(io, head, TK_SPOOL_HEAD, record->start)
        != NGX_OK)
    {
        return NULL;
    }

    ngx_antenna_io_parse(io, record, &e);

    if (ngx_memcmp(head, tk_spool_head, TK_SPOOL_HEAD) != 0) {

        if (record->damage) {
            return "its head and its index are damaged";
        }

        record->damage = "its head is damaged, or of another version";
    }

    return NULL;
}


static void
ngx_antenna_io_parse(ngx_antenna_io_t *io, ngx_antenna_io_record_t *record,
    tk_spool_end_t *end)
{
    u_char             *index;
    uint32_t            n;
    tk_spool_object_t  *objects;

    objects = NULL;

    index = malloc(end->index_length);

    if (index == NULL) {
        (void) ngx_antenna_io_error(io, "malloc()");
        return;
    }

    if (ngx_antenna_io_pread(io, index, end->index_length,
                             record->start + end->index)
        != NGX_OK)
    {
        goto done;
    }

    /* an object takes more than 100 bytes of an index */

    n = end->index_length / 100 + 1;
    objects = malloc(n * sizeof(tk_spool_object_t));

    if (objects == NULL) {
        (void) ngx_antenna_io_error(io, "malloc()");
        goto done;
    }

    record->rec.objects = objects;

    if (tk_spool_parse_index(&record->rec, n, end, index, &record->damage)
        == 0)
    {
        objects = NULL;

    } else {
        record->rec.objects = NULL;
        record->rec.n = 0;
    }

done:

    free(index);
    free(objects);
}


static ngx_int_t
ngx_antenna_io_push(ngx_antenna_io_t *io, ngx_antenna_io_record_t *record)
{
    ngx_antenna_io_record_t  *records;

    /* a power of two of them is allocated */

    if ((io->n & (io->n - 1)) == 0) {
        records = realloc(io->records, (io->n ? io->n * 2 : 1)
                                       * sizeof(ngx_antenna_io_record_t));
        if (records == NULL) {
            free(record->rec.objects);
            return ngx_antenna_io_error(io, "realloc()");
        }

        io->records = records;
    }

    io->records[io->n++] = *record;

    return NGX_OK;
}


static void
ngx_antenna_io_turn(ngx_antenna_io_t *io)
{
    ngx_uint_t               i;
    ngx_antenna_io_record_t  record;

    for (i = 0; i < io->n / 2; i++) {
        record = io->records[i];
        io->records[i] = io->records[io->n - 1 - i];
        io->records[io->n - 1 - i] = record;
    }
}


static void
ngx_antenna_io_read(ngx_antenna_io_t *io)
{
    off_t  rest;

    if (io->buf == NULL) {
        io->buf = malloc(NGX_ANTENNA_READ);

        if (io->buf == NULL) {
            (void) ngx_antenna_io_error(io, "malloc()");
            return;
        }
    }

    rest = io->size - io->offset;
    io->len = (size_t) ngx_min(rest, NGX_ANTENNA_READ);

    (void) ngx_antenna_io_pread(io, io->buf, io->len, io->offset);
}


static ngx_int_t
ngx_antenna_io_verify(ngx_antenna_io_t *io, ngx_antenna_io_record_t *record)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < record->rec.n; i++) {
        rc = ngx_antenna_io_sum(io, record, &record->rec.objects[i]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            record->damage = "the checksum of an object is wrong";
            break;
        }
    }

    return NGX_OK;
}


/* NGX_DECLINED: it is another one */

static ngx_int_t
ngx_antenna_io_sum(ngx_antenna_io_t *io, ngx_antenna_io_record_t *record,
    tk_spool_object_t *obj)
{
    u_char      sha256[TK_SPOOL_SHA256];
    uint64_t    done;
    SHA256_CTX  ctx;

    SHA256_Init(&ctx);

    for (done = 0; done < obj->length; done += io->len) {
        io->offset = record->start + obj->offset + done;

        ngx_antenna_io_read(io);

        if (io->call) {
            return NGX_ERROR;
        }

        io->len = (size_t) ngx_min(io->len, obj->length - done);

        SHA256_Update(&ctx, io->buf, io->len);
    }

    io->len = 0;

    SHA256_Final(sha256, &ctx);

    return ngx_memcmp(sha256, obj->sha256, TK_SPOOL_SHA256) == 0
           ? NGX_OK : NGX_DECLINED;
}


/* of several records, this one is copied */

static void
ngx_antenna_io_refuse(ngx_antenna_io_t *io)
{
    char                     *dst;
    u_char                    path[NGX_MAX_PATH];
    u_char                    name[NGX_ANTENNA_SPOOL_NAME + NGX_INT_T_LEN + 2];
    ngx_fd_t                  fd;
    ngx_int_t                 rc;
    ngx_antenna_io_record_t  *record;

    record = &io->records[io->record];

    (void) ngx_sprintf(name, "%s-%ui%Z", io->name, io->record);

    dst = ngx_antenna_io_path(path, &io->spool->failed, (char *) name, "");

    fd = open(dst, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);

    if (fd == -1) {
        (void) ngx_antenna_io_error(io, "open()");
        return;
    }

    rc = ngx_antenna_io_copy(io, record, fd);

    if (rc == NGX_OK && fsync(fd) == -1) {
        rc = ngx_antenna_io_error(io, "fsync()");
    }

    (void) close(fd);

    if (rc != NGX_OK) {
        (void) unlink(dst);
        return;
    }

    ngx_antenna_io_reason(io, &io->spool->failed, (char *) name);

    /* the file that has it goes when its other crashes are stored */

    ngx_antenna_io_sync_dir(io, &io->spool->failed);
}


static void
ngx_antenna_io_sync_dir(ngx_antenna_io_t *io, ngx_str_t *dir)
{
    ngx_fd_t  fd;

    fd = open((char *) dir->data, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        (void) ngx_antenna_io_error(io, "open() of a directory");
        return;
    }

    if (fsync(fd) == -1) {
        (void) ngx_antenna_io_error(io, "fsync() of a directory");
    }

    (void) close(fd);
}


static ngx_int_t
ngx_antenna_io_copy(ngx_antenna_io_t *io, ngx_antenna_io_record_t *record,
    ngx_fd_t fd)
{
    off_t    done;
    size_t   pos;
    ssize_t  n;

    for (done = 0; done < record->length; done += io->len) {
        io->offset = record->start + done;

        ngx_antenna_io_read(io);

        if (io->call) {
            return NGX_ERROR;
        }

        io->len = (size_t) ngx_min((off_t) io->len, record->length - done);

        for (pos = 0; pos < io->len; pos += n) {
            n = write(fd, io->buf + pos, io->len - pos);

            if (n == -1) {
                if (ngx_errno == NGX_EINTR) {
                    n = 0;
                    continue;
                }

                return ngx_antenna_io_error(io, "write()");
            }
        }
    }

    io->len = 0;

    return NGX_OK;
}


static void
ngx_antenna_io_end(ngx_antenna_io_t *io)
{
    char         *src;
    u_char        path[NGX_MAX_PATH], to[NGX_MAX_PATH];
    ngx_str_t    *dir;
    struct stat   st;

    src = ngx_antenna_io_path(path, &io->spool->new, (char *) io->name, "");

    if (io->fd == NGX_INVALID_FILE && stat(src, &st) == 0) {
        io->size = st.st_size;
    }

    if (io->corrupt || io->refuse) {
        dir = io->corrupt ? &io->spool->corrupt : &io->spool->failed;

        ngx_antenna_io_reason(io, dir, (char *) io->name);

        if (rename(src, ngx_antenna_io_path(to, dir, (char *) io->name, ""))
            == -1)
        {
            io->gone = (ngx_errno == NGX_ENOENT);
            (void) ngx_antenna_io_error(io, "rename()");
        }

        if (io->call && !io->gone) {
            (void) unlink(ngx_antenna_io_path(to, dir, (char *) io->name,
                                              ".reason"));
        }

        return;
    }

    /* it may be back after a power cut: then it is stored again */

    if (unlink(src) == -1 && ngx_errno != NGX_ENOENT) {
        (void) ngx_antenna_io_error(io, "unlink()");
        return;
    }

    /* what takes its time is here: with it the blocks of the file go */

    if (io->fd != NGX_INVALID_FILE) {
        (void) close(io->fd);
        io->fd = NGX_INVALID_FILE;
    }
}


/* beside the file; who cannot write it has it in the log */

static void
ngx_antenna_io_reason(ngx_antenna_io_t *io, ngx_str_t *dir, const char *name)
{
    u_char    path[NGX_MAX_PATH];
    size_t    len;
    ngx_fd_t  fd;

    fd = open(ngx_antenna_io_path(path, dir, name, ".reason"),
              O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);

    if (fd == -1) {
        return;
    }

    len = ngx_strlen(io->reason);

    if (write(fd, io->reason, len) != (ssize_t) len
        || write(fd, "\n", 1) != 1)
    {
        (void) unlink((char *) path);
    }

    (void) close(fd);
}


static ngx_int_t
ngx_antenna_io_pread(ngx_antenna_io_t *io, u_char *buf, size_t len,
    off_t offset)
{
    ssize_t  n;

    while (len) {
        n = pread(io->fd, buf, len, offset);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            return ngx_antenna_io_error(io, "pread()");
        }

        if (n == 0) {
            ngx_set_errno(EIO);
            return ngx_antenna_io_error(io, "pread() of a file that was cut");
        }

        buf += n;
        offset += n;
        len -= n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_antenna_io_error(ngx_antenna_io_t *io, const char *call)
{
    io->err = ngx_errno;
    io->call = call;

    return NGX_ERROR;
}


/* dst has NGX_MAX_PATH bytes; the configuration was checked to leave room */

static char *
ngx_antenna_io_path(u_char *dst, ngx_str_t *dir, const char *name,
    const char *suffix)
{
    (void) ngx_snprintf(dst, NGX_MAX_PATH, "%V%s%s%Z", dir, name, suffix);

    return (char *) dst;
}


void
ngx_antenna_io_free(ngx_antenna_io_t *io)
{
    ngx_uint_t  i;

    for (i = 0; i < io->n; i++) {
        free(io->records[i].rec.objects);
    }

    free(io->records);
    free(io->buf);

    if (io->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(io->fd);
    }
}
