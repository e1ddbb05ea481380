
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>


/*
 * What is being moved is in shared memory: another worker, which is ending,
 * may still have it; a worker that was killed may have died of it.
 */


#define NGX_ANTENNA_FORGOTTEN  60000


static ngx_uint_t ngx_antenna_moving_dead(ngx_antenna_spool_moving_t *m);


ngx_int_t
ngx_antenna_moving_begin(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_slab_pool_t             *shpool;
    ngx_antenna_spool_moving_t  *m, *slot;

    shpool = mover->spool->shpool;
    m = mover->spool->sh->moving;
    slot = NULL;
    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    for (i = 0; i < NGX_ANTENNA_MOVING; i++) {

        if (ngx_strcmp(m[i].file.name, entry->name) == 0) {
            slot = &m[i];
            break;
        }

        /* vacant, or else of a file that is not moved now */

        if (m[i].file.name[0] == '\0'
            || (m[i].pid == 0 && (slot == NULL || slot->file.name[0])))
        {
            slot = &m[i];
        }
    }

    if (slot == NULL
        || (i < NGX_ANTENNA_MOVING && slot->pid
            && !ngx_antenna_moving_dead(slot)))
    {
        rc = NGX_BUSY;

    } else {

        if (i == NGX_ANTENNA_MOVING) {
            slot->deaths = 0;

        } else if (slot->pid && slot->local) {
            slot->deaths++;
        }

        slot->pid = 0;
        slot->local = 0;

        (void) ngx_cpystrn(slot->file.name, entry->name,
                           NGX_ANTENNA_SPOOL_NAME);

        entry->deaths = slot->deaths;
        entry->moving = slot;

        if (slot->deaths && mover->nmoves) {
            rc = NGX_DECLINED;

        } else {
            slot->seen = ngx_current_msec;
            slot->pid = ngx_pid;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


/* it did not kill us: a thread was through with it at least once */

void
ngx_antenna_moving_end(ngx_antenna_mover_t *mover, ngx_antenna_entry_t *entry)
{
    ngx_slab_pool_t             *shpool;
    ngx_antenna_spool_moving_t  *slot;

    shpool = mover->spool->shpool;
    slot = entry->moving;

    ngx_shmtx_lock(&shpool->mutex);

    if (slot->pid == ngx_pid
        && ngx_strcmp(slot->file.name, entry->name) == 0)
    {
        slot->file.name[0] = '\0';
        slot->pid = 0;
        slot->local = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


/* those of workers that are gone, at a take-over */

void
ngx_antenna_moving_bury(ngx_antenna_mover_t *mover)
{
    ngx_uint_t                   i;
    ngx_slab_pool_t             *shpool;
    ngx_antenna_spool_moving_t  *m;

    shpool = mover->spool->shpool;
    m = mover->spool->sh->moving;

    ngx_shmtx_lock(&shpool->mutex);

    for (i = 0; i < NGX_ANTENNA_MOVING; i++) {

        if (m[i].pid == 0 || !ngx_antenna_moving_dead(&m[i])) {
            continue;
        }

        /* waiting for the storage is no way to die of a file */

        if (m[i].local) {
            m[i].deaths++;

        } else if (m[i].deaths == 0) {
            m[i].file.name[0] = '\0';
        }

        m[i].pid = 0;
        m[i].local = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


/* its number may be another process's by now */

static ngx_uint_t
ngx_antenna_moving_dead(ngx_antenna_spool_moving_t *m)
{
    /* a worker that is busy may be behind the one that has been seen */

    if ((ngx_msec_int_t) (ngx_current_msec - m->seen)
        > NGX_ANTENNA_FORGOTTEN)
    {
        return 1;
    }

    return kill(m->pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}


void
ngx_antenna_moving_seen(ngx_antenna_mover_t *mover)
{
    ngx_uint_t                   i;
    ngx_antenna_spool_moving_t  *m;

    m = mover->spool->sh->moving;

    for (i = 0; i < NGX_ANTENNA_MOVING; i++) {
        if (m[i].pid == ngx_pid) {
            m[i].seen = ngx_current_msec;
        }
    }
}


/* an end in order is no death */

void
ngx_antenna_moving_leave(ngx_antenna_mover_t *mover)
{
    ngx_uint_t                   i;
    ngx_antenna_spool_moving_t  *m;

    m = mover->spool->sh->moving;

    for (i = 0; i < NGX_ANTENNA_MOVING; i++) {
        if (m[i].pid == ngx_pid) {
            m[i].file.name[0] = '\0';
            m[i].local = 0;
            m[i].pid = 0;
        }
    }
}
