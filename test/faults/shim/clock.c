/*
 * Clocks that are wrong by the milliseconds in a file, which a test changes while the process runs.
 *
 *   BASALT_CLOCK_FILE   16 bytes, two little-endian int64; mapped, so that a change is seen by the next call
 *     0   the wall clock (CLOCK_REALTIME, gettimeofday, time) alone, as when an administrator or NTP sets the time
 *     8   all clocks, as if the process had stood still for so long (changed while it is stopped)
 *
 * Waits until a time of the monotonic clock are until that of the kernel's: pthread_cond_timedwait is moved back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *moved;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
/* A wait until a time of the wall clock is later than this, one of the monotonic clock earlier: 30 years. */
#define WALL_TIMES_FROM 946080000

__attribute__((constructor)) static void attach(void) {
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  real_cond_timedwait = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  const char *path = getenv("BASALT_CLOCK_FILE");
  if (path == NULL) return;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void *map = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (map != MAP_FAILED) moved = (const volatile int64_t *)map;
}

static void move(struct timespec *time, int64_t ms) {
  time->tv_sec += ms / 1000;
  time->tv_nsec += (ms % 1000) * 1000000;
  if (time->tv_nsec >= 1000000000) {
    time->tv_nsec -= 1000000000;
    time->tv_sec += 1;
  } else if (time->tv_nsec < 0) {
    time->tv_nsec += 1000000000;
    time->tv_sec -= 1;
  }
}

int clock_gettime(clockid_t id, struct timespec *time) {
  if (real_clock_gettime == NULL) attach();
  int result = real_clock_gettime(id, time);
  if (result != 0 || moved == NULL) return result;
  if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) move(time, moved[0] + moved[1]);
  else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME) move(time, moved[1]);
  return result;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
  if (real_cond_timedwait == NULL) attach();
  struct timespec time = *until;
  if (moved != NULL) move(&time, time.tv_sec < WALL_TIMES_FROM ? -moved[1] : -(moved[0] + moved[1]));
  return real_cond_timedwait(cond, mutex, &time);
}

int gettimeofday(struct timeval *restrict value, void *restrict zone) {
  (void)zone;
  struct timespec time;
  int result = clock_gettime(CLOCK_REALTIME, &time);
  value->tv_sec = time.tv_sec;
  value->tv_usec = time.tv_nsec / 1000;
  return result;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
