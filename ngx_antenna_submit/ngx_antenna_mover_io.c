
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>


static void ngx_antenna_io_index(ngx_antenna_io_t *io);
static const char *ngx_antenna_io_record(ngx_antenna_io_t *io, off_t end,
    ngx_antenna_io_record_t *record);
static const char *ngx_antenna_io_parse(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record, tk_spool_end_t *end);
static ngx_int_t ngx_antenna_io_push(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record);
static void ngx_antenna_io_turn(ngx_antenna_io_t *io);
static void ngx_antenna_io_read(ngx_antenna_io_t *io);
static void ngx_antenna_io_verify(ngx_antenna_io_t *io);
static ngx_int_t ngx_antenna_io_sum(ngx_antenna_io_t *io,
    ngx_antenna_io_record_t *record, tk_spool_object_t *obj);
static void ngx_antenna_io_refuse(ngx_antenna_io_t *io);
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

    switch (io->step) {

    case NGX_ANTENNA_IO_INDEX:
        ngx_antenna_io_index(io);
        break;

    case NGX_ANTENNA_IO_READ:
        ngx_antenna_io_read(io);
        break;

    case NGX_ANTENNA_IO_VERIFY:
        ngx_antenna_io_verify(io);
        break;

    case NGX_ANTENNA_IO_REFUSE:
        ngx_antenna_io_refuse(io);
        break;

    default: /* NGX_ANTENNA_IO_END */
        ngx_antenna_io_end(io);
    }
}


/* from the end of the file to its start, each record says how long it is */

static void
ngx_antenna_io_index(ngx_antenna_io_t *io)
{
    off_t                     end;
    u_char                    path[NGX_MAX_PATH];
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
}


/* why the record that ends here is none, or NULL */

static const char *
ngx_antenna_io_record(ngx_antenna_io_t *io, off_t end,
    ngx_antenna_io_record_t *record)
{
    u_char          line[TK_SPOOL_END], head[TK_SPOOL_HEAD];
    tk_spool_end_t  e;

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

    if (ngx_memcmp(head, tk_spool_head, TK_SPOOL_HEAD) != 0) {
        return "its head is damaged, or of another version";
    }

    return ngx_antenna_io_parse(io, record, &e);
}


static const char *
ngx_antenna_io_parse(ngx_antenna_io_t *io, ngx_antenna_io_record_t *record,
    tk_spool_end_t *end)
{
    u_char             *index;
    const char         *reason;
    tk_spool_object_t  *objects;

    reason = NULL;
    objects = NULL;

    index = malloc(end->index_length);

    if (index == NULL) {
        (void) ngx_antenna_io_error(io, "malloc()");
        return NULL;
    }

    if (ngx_antenna_io_pread(io, index, end->index_length,
                             record->start + end->index)
        != NGX_OK)
    {
        goto done;
    }

    /* an object takes more than 100 bytes of an index */

    record->rec.n = end->index_length / 100 + 1;
    objects = malloc(record->rec.n * sizeof(tk_spool_object_t));

    if (objects == NULL) {
        (void) ngx_antenna_io_error(io, "malloc()");
        goto done;
    }

    record->rec.objects = objects;

    if (tk_spool_parse_index(&record->rec, record->rec.n, end, index, &reason)
        == 0)
    {
        objects = NULL;
    }

done:

    free(index);
    free(objects);

    return reason;
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


static void
ngx_antenna_io_verify(ngx_antenna_io_t *io)
{
    ngx_uint_t                i;
    ngx_antenna_io_record_t  *record;

    record = &io->records[io->record];
    io->right = 0;

    for (i = 0; i < record->rec.n; i++) {
        if (ngx_antenna_io_sum(io, record, &record->rec.objects[i])
            != NGX_OK)
        {
            return;
        }
    }

    io->right = 1;
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
    char       *src;
    u_char      path[NGX_MAX_PATH], to[NGX_MAX_PATH];
    ngx_str_t  *dir;

    src = ngx_antenna_io_path(path, &io->spool->new, (char *) io->name, "");

    if (io->corrupt || io->refuse) {
        dir = io->corrupt ? &io->spool->corrupt : &io->spool->failed;

        ngx_antenna_io_reason(io, dir, (char *) io->name);

        if (rename(src, ngx_antenna_io_path(to, dir, (char *) io->name, ""))
            == -1)
        {
            (void) ngx_antenna_io_error(io, "rename()");
        }

        return;
    }

    /* it may be back after a power cut: then it is stored again */

    if (unlink(src) == -1 && ngx_errno != NGX_ENOENT) {
        (void) ngx_antenna_io_error(io, "unlink()");
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
