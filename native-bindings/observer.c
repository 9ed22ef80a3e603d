/*
 * The independent observer of a power cut (FAULTS.md row 3): preloaded into a broker, it keeps beside the store an image of
 * what is surely on disk, and nothing else.
 *
 *   sync of a file     its bytes as they were when the call began ─▶ the real call ─▶ returned 0 ─▶ <image>/files/<key>
 *   sync of a folder   its entries (name, key) likewise           ─▶ the real call ─▶ returned 0 ─▶ <image>/folders/<key>
 *
 * Whatever was not synced is not there: bytes, sizes, and names that were made, renamed or removed since their folder's
 * last sync. <key> is "<inode>-<birth time>", so that an inode number that is used again is another file. A sync of a file
 * does not make its name durable, which is stricter than ext4 and all that POSIX promises.
 * A call that returns finds its image written: a kill -9 between the two is a power cut during the sync.
 *
 * A file <image>/eio makes the next sync below a folder named in it fail with EIO, once. As in Linux, the pages that were
 * dirty then count as clean from there on: a later sync that succeeds does not write them. They are listed in
 * <image>/lost/<key> until they are written again by write() or pwrite(). (Stores into a map are not seen.)
 *
 * Environment: BASALT_OBSERVER_STORE, BASALT_OBSERVER_IMAGE (absolute), BASALT_OBSERVER_DELAY_US (each sync of a file takes
 * so much longer). Knows nothing of the store's formats.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define CHUNK (64 * PAGE)
#define LOCKS 64
#define LOST_MAX 65536

static char store[PATH_MAX];
static char image[PATH_MAX];
static size_t storeLength;
static useconds_t delay;
static pthread_mutex_t locks[LOCKS];
static pthread_mutex_t lostLock = PTHREAD_MUTEX_INITIALIZER;
static volatile int hasLost;

static void die(const char *what) {
  fprintf(stderr, "power-cut observer: %s: %s\n", what, strerror(errno));
  _exit(77);
}

__attribute__((constructor)) static void start(void) {
  const char *storeName = getenv("BASALT_OBSERVER_STORE"), *imageName = getenv("BASALT_OBSERVER_IMAGE");
  if (storeName == NULL || imageName == NULL) return;
  if (realpath(storeName, store) == NULL || realpath(imageName, image) == NULL) die("store and image must exist");
  storeLength = strlen(store);
  const char *wait = getenv("BASALT_OBSERVER_DELAY_US");
  delay = wait == NULL ? 0 : (useconds_t)atoi(wait);
  for (int i = 0; i < LOCKS; i++) pthread_mutex_init(&locks[i], NULL);
  char path[PATH_MAX + 8];
  snprintf(path, sizeof(path), "%s/lost", image);
  DIR *lost = opendir(path);
  if (lost == NULL) return;
  for (struct dirent *entry; (entry = readdir(lost)) != NULL;) hasLost |= entry->d_name[0] != '.';
  closedir(lost);
}

/* ---- what a descriptor is ---- */

typedef struct {
  char key[48];
  int isFolder;
  uint64_t inode;
} Thing;

static int identify(int folder, const char *name, int flags, Thing *thing) {
  struct statx status;
  if (statx(folder, name, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &status) != 0) return 0;
  if ((status.stx_mask & STATX_BTIME) == 0) {
    errno = ENOTSUP;
    die("this file system knows no birth times");
  }
  snprintf(thing->key, sizeof(thing->key), "%llu-%lld%09u", (unsigned long long)status.stx_ino,
           (long long)status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
  thing->isFolder = S_ISDIR(status.stx_mode);
  thing->inode = status.stx_ino;
  return S_ISDIR(status.stx_mode) || S_ISREG(status.stx_mode);
}

static int pathOf(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return 1;
}

static int isInStore(int fd, char *path) {
  if (storeLength == 0 || !pathOf(fd, path)) return 0;
  return strncmp(path, store, storeLength) == 0 && (path[storeLength] == '/' || path[storeLength] == 0);
}

/* ---- pages that a failed sync has lost ---- */

static void lostPath(const char *key, char *path) { snprintf(path, PATH_MAX + 128, "%s/lost/%s", image, key); }

/* Page numbers, or NULL when none are lost. To be freed. Called under lostLock. */
static uint64_t *lostPages(const char *key, size_t *count) {
  char path[PATH_MAX + 128];
  lostPath(key, path);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  uint64_t *pages = malloc(LOST_MAX * sizeof(uint64_t));
  ssize_t got = read(fd, pages, LOST_MAX * sizeof(uint64_t));
  close(fd);
  *count = got <= 0 ? 0 : (size_t)got / sizeof(uint64_t);
  return pages;
}

static void keepLost(const char *key, const uint64_t *pages, size_t count) {
  char path[PATH_MAX + 128];
  lostPath(key, path);
  if (count == 0) {
    unlink(path);
    return;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) die("lost pages cannot be noted");
  ssize_t put = syscall(SYS_write, fd, pages, count * sizeof(uint64_t));
  close(fd);
  if (put < 0) die("lost pages cannot be noted");
  hasLost = 1;
}

/* Written again: dirty, and so in the reach of the next sync. */
static void written(int fd, off_t at, size_t length) {
  int saved = errno;
  char path[PATH_MAX];
  Thing thing;
  if (length > 0 && isInStore(fd, path) && identify(fd, "", AT_EMPTY_PATH, &thing)) {
    pthread_mutex_lock(&lostLock);
    size_t count = 0, kept = 0;
    uint64_t *pages = lostPages(thing.key, &count);
    for (size_t i = 0; i < count; i++) {
      uint64_t from = pages[i] * PAGE;
      if (from + PAGE <= (uint64_t)at || from >= (uint64_t)at + length) pages[kept++] = pages[i];
    }
    if (kept < count) keepLost(thing.key, pages, kept);
    free(pages);
    pthread_mutex_unlock(&lostLock);
  }
  errno = saved;
}

static int isLost(const uint64_t *pages, size_t count, uint64_t page) {
  for (size_t i = 0; i < count; i++)
    if (pages[i] == page) return 1;
  return 0;
}

/* ---- a file ---- */

typedef struct {
  off_t size;
  size_t count, room;
  uint64_t *pages;
  char *bytes;
} Snapshot;

static void addPage(Snapshot *snapshot, uint64_t page, const char *bytes) {
  if (snapshot->count == snapshot->room) {
    snapshot->room = snapshot->room == 0 ? 64 : snapshot->room * 2;
    snapshot->pages = realloc(snapshot->pages, snapshot->room * sizeof(uint64_t));
    snapshot->bytes = realloc(snapshot->bytes, snapshot->room * PAGE);
    if (snapshot->pages == NULL || snapshot->bytes == NULL) die("no memory");
  }
  snapshot->pages[snapshot->count] = page;
  memcpy(snapshot->bytes + snapshot->count * PAGE, bytes, PAGE);
  snapshot->count++;
}

static size_t fillFrom(int fd, char *bytes, off_t at) {
  size_t done = 0;
  while (done < CHUNK) {
    ssize_t got = pread(fd, bytes + done, CHUNK - done, at + (off_t)done);
    if (got <= 0) break;
    done += (size_t)got;
  }
  memset(bytes + done, 0, CHUNK - done);
  return done;
}

/* The pages in which the file differs from its image. */
static void snapshotFile(int fd, int imageFd, Snapshot *snapshot) {
  // Not on the stack nor in thread-local storage: some threads have very little of either.
  char *now = malloc(2 * CHUNK), *before = now + CHUNK;
  if (now == NULL) die("no memory");
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  int reader = open(path, O_RDONLY | O_CLOEXEC);
  if (reader < 0) die("a synced file cannot be read");
  struct stat status;
  if (fstat(reader, &status) != 0) die("fstat");
  snapshot->size = status.st_size;
  for (off_t at = 0; at < status.st_size; at += CHUNK) {
    fillFrom(reader, now, at);
    fillFrom(imageFd, before, at);
    if (memcmp(now, before, CHUNK) == 0) continue;
    for (int page = 0; page < CHUNK / PAGE; page++)
      if (memcmp(now + page * PAGE, before + page * PAGE, PAGE) != 0) addPage(snapshot, at / PAGE + page, now + page * PAGE);
  }
  close(reader);
  free(now);
}

static void commitFile(int imageFd, const char *key, const Snapshot *snapshot) {
  size_t lostCount = 0;
  uint64_t *lost = NULL;
  if (hasLost) {
    pthread_mutex_lock(&lostLock);
    lost = lostPages(key, &lostCount);
    pthread_mutex_unlock(&lostLock);
  }
  if (ftruncate(imageFd, snapshot->size) != 0) die("the image cannot be written");
  for (size_t i = 0; i < snapshot->count; i++) {
    uint64_t at = snapshot->pages[i] * PAGE;
    size_t length = (uint64_t)snapshot->size - at < PAGE ? (size_t)(snapshot->size - (off_t)at) : PAGE;
    if (isLost(lost, lostCount, snapshot->pages[i])) continue;
    if (syscall(SYS_pwrite64, imageFd, snapshot->bytes + i * PAGE, length, at) < 0) die("the image cannot be written");
  }
  free(lost);
}

static int openImage(const char *key) {
  char path[PATH_MAX + 64];
  snprintf(path, sizeof(path), "%s/files/%s", image, key);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) die("the image cannot be opened");
  return fd;
}

/* ---- a folder ---- */

/* One line an entry, "f|d <key> <name>"; to be freed. Names hold no line breaks. */
static char *listFolder(int fd) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  DIR *folder = opendir(path);
  if (folder == NULL) die("a synced folder cannot be read");
  size_t length = 0, room = 4096;
  char *text = malloc(room);
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    Thing thing;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!identify(dirfd(folder), entry->d_name, AT_SYMLINK_NOFOLLOW, &thing)) continue;
    if (length + 512 > room) text = realloc(text, room *= 2);
    length += (size_t)sprintf(text + length, "%c %s %s\n", thing.isFolder ? 'd' : 'f', thing.key, entry->d_name);
  }
  text[length] = 0;
  closedir(folder);
  return text;
}

static void commitFolder(const char *key, const char *text) {
  char path[PATH_MAX + 64], temporary[PATH_MAX + 96];
  snprintf(path, sizeof(path), "%s/folders/%s", image, key);
  snprintf(temporary, sizeof(temporary), "%s.tmp", path);
  FILE *file = fopen(temporary, "we");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) die("the image cannot be written");
  if (rename(temporary, path) != 0) die("the image cannot be written");
}

/* ---- the calls ---- */

/* True once, for whoever removes the file that orders it and is in the folder that it names. */
static int isToldToFail(const char *path) {
  char order[PATH_MAX + 8], folder[256] = "";
  snprintf(order, sizeof(order), "%s/eio", image);
  int fd = open(order, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t length = read(fd, folder, sizeof(folder) - 1);
  close(fd);
  if (length < 0 || strstr(path, folder) == NULL) return 0;
  return unlink(order) == 0;
}

static int observed(int fd, int (*call)(int)) {
  char path[PATH_MAX];
  Thing thing;
  if (!isInStore(fd, path) || !identify(fd, "", AT_EMPTY_PATH, &thing)) return call(fd);
  pthread_mutex_t *lock = &locks[thing.inode % LOCKS];
  pthread_mutex_lock(lock);
  int result;
  if (thing.isFolder) {
    char *text = listFolder(fd);
    result = call(fd);
    int failure = errno;
    if (result == 0) commitFolder(thing.key, text);
    free(text);
    errno = failure;
  } else {
    Snapshot snapshot = {0};
    int imageFd = openImage(thing.key);
    snapshotFile(fd, imageFd, &snapshot);
    if (delay > 0) usleep(delay);
    result = isToldToFail(path) ? -2 : call(fd);
    int failure = errno;
    if (result == 0) {
      commitFile(imageFd, thing.key, &snapshot);
    } else if (result == -2) {
      pthread_mutex_lock(&lostLock);
      keepLost(thing.key, snapshot.pages, snapshot.count < LOST_MAX ? snapshot.count : LOST_MAX);
      pthread_mutex_unlock(&lostLock);
      result = -1;
      failure = EIO;
    }
    close(imageFd);
    free(snapshot.pages);
    free(snapshot.bytes);
    errno = failure;
  }
  pthread_mutex_unlock(lock);
  return result;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fsync(int fd) {
  REAL(fsync);
  return observed(fd, real);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return observed(fd, real);
}

/* The file under a map is found by its address; the whole file counts as synced only if all of it was asked for. */
int msync(void *address, size_t length, int flags) {
  REAL(msync);
  if (storeLength == 0 || (flags & MS_SYNC) == 0) return real(address, length, flags);
  errno = ENOTSUP;
  die("msync of a map is not observed: teach me");
  return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  ssize_t put = syscall(SYS_pwrite64, fd, bytes, length, at);
  if (hasLost && put > 0) written(fd, at, (size_t)put);
  return put;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }
