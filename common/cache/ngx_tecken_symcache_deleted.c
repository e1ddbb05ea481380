
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_tecken_cache_sh.h>
#include <ngx_tecken_symcache_sh.h>


/*
 * Symbols that were deleted of late, in the index: what was built of an older
 * file must not stay.
 */


ngx_tecken_symcache_deleted_t *
ngx_tecken_symcache_deletion(ngx_tecken_symcache_sh_t *sh)
{
    return &sh->deleted[sh->ndeleted % NGX_TECKEN_SYMCACHE_DELETED];
}


/*
 * The oldest deletion is forgotten for each new one.  An entry that is half
 * written when its writer is killed is still the oldest one, at worst it dooms
 * a build for nothing.
 */

uint64_t
ngx_tecken_symcache_deletion_add(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol)
{
    ngx_tecken_symcache_deleted_t  *d;

    ngx_tecken_cache_change(sh);

    d = ngx_tecken_symcache_deletion(sh);

    if (sh->ndeleted >= NGX_TECKEN_SYMCACHE_DELETED) {
        sh->floor = d->sequence;
        ngx_tecken_cache_barrier();

        if (d->owner) {
            sh->pending--;
        }
    }

    d->owner = ngx_pid;
    d->sequence = ++sh->sequence;
    d->symbol[0] = symbol[0];
    d->symbol[1] = symbol[1];

    ngx_tecken_cache_barrier();
    sh->ndeleted++;
    sh->pending++;

    return d->sequence;
}


void
ngx_tecken_symcache_deletion_done(ngx_tecken_symcache_sh_t *sh,
    uint64_t *symbol, uint64_t sequence, ngx_pid_t owner)
{
    ngx_uint_t                      n;
    ngx_tecken_symcache_deleted_t  *d;

    n = ngx_min(sh->ndeleted, NGX_TECKEN_SYMCACHE_DELETED);

    for (d = sh->deleted; n; d++, n--) {

        if (d->owner && d->sequence <= sequence
            && ngx_tecken_symcache_same(d->symbol, symbol))
        {
            ngx_tecken_cache_change(sh);

            d->owner = owner;

            if (owner == 0) {
                sh->pending--;
            }
        }
    }
}


ngx_uint_t
ngx_tecken_symcache_deleted(ngx_tecken_symcache_sh_t *sh, uint64_t *symbol,
    uint64_t token)
{
    ngx_uint_t                      i, n;
    ngx_tecken_symcache_deleted_t  *d;

    if (token < sh->floor) {
        return 1;
    }

    n = ngx_min(sh->ndeleted, NGX_TECKEN_SYMCACHE_DELETED);

    for (i = sh->ndeleted; n; n--) {

        d = &sh->deleted[--i % NGX_TECKEN_SYMCACHE_DELETED];

        if (d->sequence <= token) {
            return 0;
        }

        if (ngx_tecken_symcache_same(d->symbol, symbol)) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_tecken_symcache_deleting(ngx_tecken_symcache_sh_t *sh, uint64_t *symbol)
{
    ngx_uint_t                      n;
    ngx_tecken_symcache_deleted_t  *d;

    if (sh->pending == 0) {
        return 0;
    }

    n = ngx_min(sh->ndeleted, NGX_TECKEN_SYMCACHE_DELETED);

    for (d = sh->deleted; n; d++, n--) {
        if (d->owner && ngx_tecken_symcache_same(d->symbol, symbol)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Who commits renames the file, and then looks whether it may stay: until then
 * it may be in the place of a newer one, too.
 */

ngx_uint_t
ngx_tecken_symcache_outdated(ngx_tecken_symcache_sh_t *sh,
    ngx_tecken_symcache_key_t *key)
{
    uint32_t                     i, busy;
    ngx_tecken_symcache_node_t  *node;

    busy = ngx_tecken_symcache_busy(sh);

    for (i = ngx_tecken_symcache_node(sh, busy)->next;
         i != busy;
         i = node->next)
    {
        node = ngx_tecken_symcache_node(sh, i);

        if (ngx_memcmp(&node->key, key, sizeof(ngx_tecken_symcache_key_t))
            == 0
            && ngx_tecken_symcache_deleted(sh, key->symbol, node->sequence))
        {
            return 1;
        }
    }

    return 0;
}
