
/*
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at https://mozilla.org/MPL/2.0/.
 */


#include <ngx_antenna_mover.h>


/*
 * The files that a mover knows: all by age, and each either ready, in the order
 * in which they are to be moved, or waiting for its next attempt.
 */


#define NGX_ANTENNA_BEHIND  32     /* files: fresh ones take turns */


static void ngx_antenna_mover_ready(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry, ngx_rbtree_key_t key);
static ngx_antenna_entry_t *ngx_antenna_entry_find(
    ngx_antenna_mover_t *mover, const u_char *name);
static void ngx_antenna_entry_insert_age(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_antenna_entry_insert_order(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_antenna_entry_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel, size_t offset);


#define ngx_antenna_entry_of(node, link)                                      \
    ngx_rbtree_data(node, ngx_antenna_entry_t, link)


void
ngx_antenna_entries_init(ngx_antenna_mover_t *mover)
{
    ngx_rbtree_init(&mover->age, &mover->age_sentinel,
                    ngx_antenna_entry_insert_age);
    ngx_rbtree_init(&mover->ready, &mover->ready_sentinel,
                    ngx_antenna_entry_insert_order);
    ngx_rbtree_init(&mover->waiting, &mover->waiting_sentinel,
                    ngx_rbtree_insert_timer_value);
}


void
ngx_antenna_entries_free(ngx_antenna_mover_t *mover)
{
    ngx_antenna_entry_t  *entry;

    while (mover->age.root != &mover->age_sentinel) {
        entry = ngx_antenna_entry_of(mover->age.root, age);

        ngx_rbtree_delete(&mover->age, &entry->age);
        ngx_free(entry);
    }
}


void
ngx_antenna_mover_add(ngx_antenna_mover_t *mover, const u_char *name)
{
    ngx_antenna_entry_t  *entry;

    if (ngx_antenna_entry_find(mover, name)) {
        return;
    }

    entry = ngx_calloc(sizeof(ngx_antenna_entry_t), ngx_cycle->log);
    if (entry == NULL) {
        mover->partial = 1;
        return;
    }

    (void) ngx_cpystrn(entry->name, (u_char *) name, NGX_ANTENNA_SPOOL_NAME);

    entry->age.key = (ngx_rbtree_key_t) ngx_antenna_name_time(entry->name);

    ngx_rbtree_insert(&mover->age, &entry->age);
    mover->entries++;

    ngx_antenna_mover_ready(mover, entry, entry->age.key);
}


void
ngx_antenna_mover_remove(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry)
{
    ngx_rbtree_delete(&mover->age, &entry->age);
    mover->entries--;

    ngx_free(entry);
}


static void
ngx_antenna_mover_ready(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry, ngx_rbtree_key_t key)
{
    entry->order.key = key;

    ngx_rbtree_insert(&mover->ready, &entry->order);
    mover->nready++;
}


void
ngx_antenna_mover_wait(ngx_antenna_mover_t *mover,
    ngx_antenna_entry_t *entry, ngx_msec_t msec)
{
    entry->order.key = ngx_current_msec + msec;

    ngx_rbtree_insert(&mover->waiting, &entry->order);
}


/* behind those that have not been tried: who fails must not hold them up */

void
ngx_antenna_mover_waited(ngx_antenna_mover_t *mover)
{
    u_char              now[sizeof("YYYYMMDDhhmmss")];
    ngx_tm_t            tm;
    ngx_rbtree_node_t  *node;

    while (mover->waiting.root != &mover->waiting_sentinel) {
        node = ngx_rbtree_min(mover->waiting.root, &mover->waiting_sentinel);

        if ((ngx_msec_int_t) (node->key - ngx_current_msec) > 0) {
            return;
        }

        ngx_rbtree_delete(&mover->waiting, node);

        ngx_gmtime(ngx_time(), &tm);

        (void) ngx_sprintf(now, "%4d%02d%02d%02d%02d%02d%Z",
                           tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                           tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

        ngx_antenna_mover_ready(mover, ngx_antenna_entry_of(node, order),
                                (ngx_rbtree_key_t) ngx_antenna_name_time(now));
    }
}


/* from both ends when behind: the fresh ones are looked at by somebody */

ngx_antenna_entry_t *
ngx_antenna_mover_pick(ngx_antenna_mover_t *mover)
{
    ngx_rbtree_node_t  *node;

    node = mover->ready.root;

    if (mover->nready > NGX_ANTENNA_BEHIND && mover->newest) {

        while (node->right != &mover->ready_sentinel) {
            node = node->right;
        }

    } else {
        node = ngx_rbtree_min(node, &mover->ready_sentinel);
    }

    mover->newest = !mover->newest;

    ngx_rbtree_delete(&mover->ready, node);
    mover->nready--;

    return ngx_antenna_entry_of(node, order);
}


time_t
ngx_antenna_entries_oldest(ngx_antenna_mover_t *mover)
{
    u_char               *p;
    ngx_tm_t              tm;
    ngx_rbtree_node_t    *node;
    ngx_antenna_entry_t  *entry;

    if (mover->age.root == &mover->age_sentinel) {
        return 0;
    }

    node = ngx_rbtree_min(mover->age.root, &mover->age_sentinel);
    entry = ngx_antenna_entry_of(node, age);

    p = entry->name;

    ngx_memzero(&tm, sizeof(ngx_tm_t));

    tm.tm_year = (int) ngx_atoi(p, 4) - 1900;
    tm.tm_mon = (int) ngx_atoi(p + 4, 2) - 1;
    tm.tm_mday = (int) ngx_atoi(p + 6, 2);
    tm.tm_hour = (int) ngx_atoi(p + 8, 2);
    tm.tm_min = (int) ngx_atoi(p + 10, 2);
    tm.tm_sec = (int) ngx_atoi(p + 12, 2);

    return timegm(&tm);
}


static ngx_antenna_entry_t *
ngx_antenna_entry_find(ngx_antenna_mover_t *mover, const u_char *name)
{
    ngx_int_t             rc;
    ngx_rbtree_key_t      key;
    ngx_rbtree_node_t    *node;
    ngx_antenna_entry_t  *entry;

    key = (ngx_rbtree_key_t) ngx_antenna_name_time(name);
    node = mover->age.root;

    while (node != &mover->age_sentinel) {

        if (key != node->key) {
            node = (key < node->key) ? node->left : node->right;
            continue;
        }

        entry = ngx_antenna_entry_of(node, age);
        rc = ngx_strcmp(name, entry->name);

        if (rc == 0) {
            return entry;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_antenna_entry_insert_age(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_antenna_entry_insert(temp, node, sentinel,
                             offsetof(ngx_antenna_entry_t, age));
}


static void
ngx_antenna_entry_insert_order(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_antenna_entry_insert(temp, node, sentinel,
                             offsetof(ngx_antenna_entry_t, order));
}


static void
ngx_antenna_entry_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel, size_t offset)
{
    ngx_rbtree_node_t    **p;
    ngx_antenna_entry_t   *entry, *other;

    entry = (ngx_antenna_entry_t *) ((u_char *) node - offset);

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            other = (ngx_antenna_entry_t *) ((u_char *) temp - offset);

            p = (ngx_strcmp(entry->name, other->name) < 0) ? &temp->left
                                                           : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}
