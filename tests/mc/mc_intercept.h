// Put in front of every file of a target (gcc -include): pthread's and the C library's functions
// that the checker must see.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

int mc_mutex_init(void *mutex, const void *attributes);
int mc_mutex_destroy(void *mutex);
int mc_mutex_lock(void *mutex, const char *place);
int mc_mutex_trylock(void *mutex, const char *place);
int mc_mutex_unlock(void *mutex, const char *place);
int mc_cond_init(void *condition, const void *attributes);
int mc_cond_destroy(void *condition);
int mc_cond_wait(void *condition, void *mutex, const char *place);
int mc_cond_timedwait(void *condition, void *mutex, const void *until, const char *place);
int mc_cond_signal(void *condition, const char *place);
int mc_cond_broadcast(void *condition, const char *place);
int mc_once(int *once, void (*body)(void));
int mc_nothing(const void *argument, ...);
// Of targets/engine_stubs.c.
int mc_sem_init(sem_t *semaphore, int shared, unsigned value);
int mc_sem_destroy(sem_t *semaphore);
int mc_sem_post(sem_t *semaphore);
int mc_sem_wait(sem_t *semaphore);
int mc_sem_timedwait(sem_t *semaphore, const struct timespec *until);
int mc_kill(pthread_t thread, int number);
void *mc_copy(void *to, const void *from, size_t size);
void *mc_fill(void *at, int byte, size_t size);

#define MC_TEXT(x) #x
#define MC_LINE(x) MC_TEXT(x)
#define MC_PLACE __FILE__ ":" MC_LINE(__LINE__)

#define pthread_mutex_init mc_mutex_init
#define pthread_mutex_destroy mc_mutex_destroy
#define pthread_mutex_lock(mutex) mc_mutex_lock(mutex, MC_PLACE)
#define pthread_mutex_trylock(mutex) mc_mutex_trylock(mutex, MC_PLACE)
#define pthread_mutex_unlock(mutex) mc_mutex_unlock(mutex, MC_PLACE)
#define pthread_cond_init mc_cond_init
#define pthread_cond_destroy mc_cond_destroy
#define pthread_cond_wait(condition, mutex) mc_cond_wait(condition, mutex, MC_PLACE)
#define pthread_cond_timedwait(condition, mutex, until) \
    mc_cond_timedwait(condition, mutex, until, MC_PLACE)
#define pthread_cond_signal(condition) mc_cond_signal(condition, MC_PLACE)
#define pthread_cond_broadcast(condition) mc_cond_broadcast(condition, MC_PLACE)
#define pthread_condattr_init mc_nothing
#define pthread_condattr_setclock mc_nothing
#define pthread_condattr_destroy mc_nothing
#define pthread_once mc_once
#define pthread_key_create(key, destroy) mc_nothing(key, destroy)
#define pthread_setspecific(key, value) mc_nothing(NULL, key, value)
#define pthread_atfork(before, parent, child) mc_nothing(NULL, before, parent, child)
#define sem_init mc_sem_init
#define sem_destroy mc_sem_destroy
#define sem_post mc_sem_post
#define sem_wait mc_sem_wait
#define sem_timedwait mc_sem_timedwait
#define pthread_kill mc_kill
#undef memcpy
#undef memmove
#undef memset
#define memcpy mc_copy
#define memmove mc_copy
#define memset mc_fill
