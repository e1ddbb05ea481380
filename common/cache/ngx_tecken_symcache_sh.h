
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#ifndef _NGX_TECKEN_SYMCACHE_SH_H_INCLUDED_
#define _NGX_TECKEN_SYMCACHE_SH_H_INCLUDED_


/* private to this room: the index in shared memory, and who works on it */


#include <ngx_tecken_offload.h>
#include <ngx_tecken_symcache.h>


/* "01-0123456789abcdef-0123456789abcdef0123456789abcdef": the version of the
 * format, the sources, the symbol, whose end gives the levels: all symcaches
 * of a symbol are in one folder */

#define NGX_TECKEN_SYMCACHE_NAME     (2 + 1 + 16 + 1 + 32)

/* where files are built: within the directory, so that a rename is atomic */
#define NGX_TECKEN_SYMCACHE_TEMP     "temp"

/* deletions that are remembered, for builds that began before them */
#define NGX_TECKEN_SYMCACHE_DELETED  1024

/* state of a node; what is not stored is in the list of busy ones */
#define NGX_TECKEN_SYMCACHE_FREE      0
#define NGX_TECKEN_SYMCACHE_STORED    1
#define NGX_TECKEN_SYMCACHE_RESERVED  2    /* is to be renamed into place */
#define NGX_TECKEN_SYMCACHE_DELETING  3    /* its file is to be unlinked */


typedef struct {
    ngx_tecken_symcache_key_t      key;
    uint64_t                       sequence;  /* no two nodes ever share one */
    off_t                          size;      /* on disk */
    uint32_t                       used;      /* when, in seconds */
    uint32_t                       chain;     /* of a bucket, or free */
    uint32_t                       prev;      /* LRU, or busy */
    uint32_t                       next;
    ngx_pid_t                      owner;     /* if busy */
    u_char                         state;
    u_char                         verified;  /* read as a whole, or written,
                                                 since this machine's boot */
} ngx_tecken_symcache_node_t;


/* a symbol that was deleted */

typedef struct {
    uint64_t                       symbol[2];
    uint64_t                       sequence;
    ngx_pid_t                      owner;     /* removes the files; 0: done;
                                                 NGX_INVALID_PID: nobody */
} ngx_tecken_symcache_deleted_t;


/*
 * Node 0 is the sentinel of the LRU list, node capacity + 1 of the busy one;
 * index 0 is none.
 */

typedef struct {
    uint32_t                       capacity;
    uint32_t                      *buckets;   /* capacity of them */
    ngx_tecken_symcache_node_t    *nodes;     /* capacity + 2 */

    /* above is read only once made, below is written under the lock */

    u_char                         padding[64];

    /*
     * Set while the lists are being changed: who takes the lock and finds it
     * set takes it from a process that was killed, and links them anew.
     */
    volatile uint32_t              dirty;

    uint32_t                       free;      /* nodes that were freed */
    uint32_t                       fresh;     /* nodes that were ever used */
    uint32_t                       files;     /* nodes that are in use */
    off_t                          size;      /* of these */

    off_t                          evicted;   /* of late: workers may have
                                                 them mapped */
    time_t                         evicting;  /* since then */

    uint64_t                       sequence;  /* the last one given out */

    /* not touched by a repair: an entry counts when ndeleted says so */
    uint64_t                       floor;     /* older ones are forgotten */
    ngx_uint_t                     ndeleted;
    ngx_uint_t                     pending;   /* with an owner */
    ngx_tecken_symcache_deleted_t  deleted[NGX_TECKEN_SYMCACHE_DELETED];

    ngx_uint_t                     removals;  /* a map may be stale */
    ngx_uint_t                     evictions;
    ngx_uint_t                     corrupt;
    ngx_uint_t                     resets;

    /* without the lock */

    ngx_atomic_t                   cold;      /* not all folders were seen */

    uint32_t                       maps[NGX_MAX_PROCESSES];
} ngx_tecken_symcache_sh_t;


struct ngx_tecken_symcache_path_s {
    ngx_tecken_symcache_sh_t      *sh;
    ngx_slab_pool_t               *shpool;
    ngx_shm_zone_t                *shm_zone;

    ngx_path_t                    *path;
    ngx_thread_pool_t             *io_pool;   /* set once the whole
                                                 configuration is read */
    off_t                          max_size;
    off_t                          min_free;  /* 0: not looked at */
    time_t                         inactive;
    size_t                         zone_size;

    /* the manager's */
    ngx_uint_t                     unit;      /* top folder to scan next */
    time_t                         scan;      /* when the last began */
    time_t                         clean;     /* the temp folder, when */
};


/* a file that is mapped, by a worker or, before finish(), by a thread */

typedef struct ngx_tecken_symcache_map_s  ngx_tecken_symcache_map_t;

struct ngx_tecken_symcache_map_s {
    ngx_tecken_symcache_ref_t      ref;
    ngx_tecken_symcache_path_t    *path;
    ngx_tecken_symcache_key_t      key;
    uint64_t                       sequence;  /* of its node; 0: none */
    ngx_uint_t                     removals;  /* when it was seen there */
    void                          *addr;
    size_t                         size;
    ngx_uint_t                     refs;
    ngx_uint_t                     tries;
    ngx_queue_t                    idle;
    ngx_queue_t                    waiting;   /* ngx_tecken_symcache_op_t */
    ngx_tecken_symcache_map_t     *next;      /* of a bucket */
    unsigned                       linked:1;
    unsigned                       loading:1;
};


/* what a thread of the io pool opens */

typedef struct {
    ngx_tecken_symcache_map_t      map;
    ngx_tecken_symcache_map_t     *waiter;    /* the event loop's */
    uint64_t                       token;
    ngx_int_t                      rc;        /* NGX_AGAIN: look once more */
    ngx_log_t                     *log;
    unsigned                       verified:1;
} ngx_tecken_symcache_load_t;


#define ngx_tecken_symcache_node(sh, i)    (&(sh)->nodes[i])
#define ngx_tecken_symcache_busy(sh)       ((sh)->capacity + 1)

#define ngx_tecken_symcache_same(a, b)                                        \
    ((a)[0] == (b)[0] && (a)[1] == (b)[1])


ngx_int_t ngx_tecken_symcache_init_zone(ngx_shm_zone_t *shm_zone, void *data);

/* lock() returns with a consistent index, unlock() ends the change, if any */
void ngx_tecken_symcache_lock(ngx_tecken_symcache_path_t *path);
void ngx_tecken_symcache_unlock(ngx_tecken_symcache_path_t *path);

/* the rest is to be called under the lock; indices, 0: none */

uint32_t ngx_tecken_symcache_find(ngx_tecken_symcache_sh_t *sh,
    ngx_tecken_symcache_key_t *key);
uint32_t ngx_tecken_symcache_oldest(ngx_tecken_symcache_sh_t *sh);
void ngx_tecken_symcache_touch(ngx_tecken_symcache_sh_t *sh, uint32_t i);

/* a busy node with the next sequence number; 0: the zone is full */
uint32_t ngx_tecken_symcache_reserve(ngx_tecken_symcache_sh_t *sh,
    ngx_tecken_symcache_key_t *key, off_t size);

/* its file is in place; the node that the key had before is freed; used 0:
 * now, so in front, or else the last one */
void ngx_tecken_symcache_store(ngx_tecken_symcache_sh_t *sh, uint32_t i,
    time_t used, ngx_uint_t verified);

/* no longer found; the caller unlinks the file and then frees the node */
void ngx_tecken_symcache_doom(ngx_tecken_symcache_sh_t *sh, uint32_t i);
void ngx_tecken_symcache_doom_symbol(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol, uint64_t sequence);
void ngx_tecken_symcache_free(ngx_tecken_symcache_sh_t *sh, uint32_t i);
void ngx_tecken_symcache_resize(ngx_tecken_symcache_sh_t *sh, uint32_t i,
    off_t size);

/* LRU order by age, which the order of finding the files is not */
void ngx_tecken_symcache_sort(ngx_tecken_symcache_sh_t *sh);

/* the entry that is overwritten for the next deletion; remembers one, its
 * sequence number is returned; the files are removed (owner 0), or not */
ngx_tecken_symcache_deleted_t *ngx_tecken_symcache_deletion(
    ngx_tecken_symcache_sh_t *sh);
uint64_t ngx_tecken_symcache_deletion_add(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol);
void ngx_tecken_symcache_deletion_done(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol, uint64_t sequence, ngx_pid_t owner);

/* was the symbol deleted after token; are its files still to be removed */
ngx_uint_t ngx_tecken_symcache_deleted(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol, uint64_t token);
ngx_uint_t ngx_tecken_symcache_deleting(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol);

/* may the file of the key be one that was built before a deletion */
ngx_uint_t ngx_tecken_symcache_outdated(ngx_tecken_symcache_sh_t *sh,
    ngx_tecken_symcache_key_t *key);


/*
 * Files, without the lock, in any thread or process.  name has room for
 * NGX_MAX_PATH bytes and is terminated by NUL.
 */

void ngx_tecken_symcache_name(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, u_char *name);
ngx_int_t ngx_tecken_symcache_parse_name(const char *name, ngx_uint_t *version,
    ngx_tecken_symcache_key_t *key);

/* unlinks the file of a node that is doomed, frees it if it is still so */
void ngx_tecken_symcache_unlink(ngx_tecken_symcache_path_t *path, uint32_t i,
    uint64_t sequence, ngx_tecken_symcache_key_t *key, ngx_log_t *log);

/* the least recently used one goes: its size, or 0 if there is none */
off_t ngx_tecken_symcache_evict(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log);

/* bytes that are to be evicted for min_free */
off_t ngx_tecken_symcache_lack(ngx_tecken_symcache_path_t *path);

/* a node for size bytes, reserved, when others have made room; 0: no room,
 * or the symbol was deleted after token */
uint32_t ngx_tecken_symcache_room(ngx_tecken_symcache_path_t *path,
    ngx_tecken_symcache_key_t *key, uint64_t token, off_t size,
    uint64_t *sequence, ngx_log_t *log);

/* the files of a symbol that was deleted */
void ngx_tecken_symcache_remove(ngx_tecken_symcache_path_t *path,
    uint64_t *symbol, uint64_t sequence, ngx_log_t *log);

/* files that are built by nobody any more */
void ngx_tecken_symcache_clean(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log);

/* what processes have left that were killed between index and file */
void ngx_tecken_symcache_orphans(ngx_tecken_symcache_path_t *path,
    ngx_log_t *log);

ngx_msec_t ngx_tecken_symcache_manager(void *data);
void ngx_tecken_symcache_loader(void *data);

/* map is waited for; post() for a new attempt too: as task_post(), or
 * NGX_DECLINED */
ngx_tecken_task_t *ngx_tecken_symcache_load_create(
    ngx_tecken_symcache_map_t *map);
ngx_int_t ngx_tecken_symcache_load_post(ngx_tecken_task_t *task);

/* an open descriptor as a map; NGX_DECLINED with the reason: no symcache */
ngx_int_t ngx_tecken_symcache_map(ngx_tecken_symcache_map_t *map, ngx_fd_t fd,
    size_t size, ngx_uint_t verify, const char **reason);


#endif /* _NGX_TECKEN_SYMCACHE_SH_H_INCLUDED_ */
