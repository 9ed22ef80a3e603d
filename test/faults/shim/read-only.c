/*
 * A file system that becomes read-only while a process has files of it open: every change below a folder fails with EROFS.
 *
 *   BASALT_RO_FOLDER   the folder
 *   BASALT_RO_SWITCH   a file: while it is there
 *
 * A bind mount cannot be remounted while files are open for writing; a kernel that has met an I/O error does it all the same
 * (errors=remount-ro), which this stands for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static int is_on(void) {
  const char *path = getenv("BASALT_RO_SWITCH");
  struct stat found;
  int before = errno;
  int on = path != NULL && stat(path, &found) == 0;
  errno = before;
  return on;
}

static int is_inside(const char *path) {
  const char *folder = getenv("BASALT_RO_FOLDER");
  return folder != NULL && path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int refuses_path(const char *path) {
  if (!is_inside(path) || !is_on()) return 0;
  errno = EROFS;
  return 1;
}

static int refuses_fd(int fd) {
  char link[64], path[PATH_MAX];
  if (!is_on()) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return refuses_path(path);
}

static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0; }

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest); \
    if (writes(flags) && refuses_path(path)) return -1; \
    return REAL(int, #name, const char *, int, ...)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest); \
    if (writes(flags) && refuses_path(path)) return -1; \
    return REAL(int, #name, int, const char *, int, ...)(at, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t length) {
  return refuses_fd(fd) ? -1 : REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, length);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  return refuses_fd(fd) ? -1 : REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)(fd, bytes, length, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  return refuses_fd(fd) ? -1 : REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)(fd, bytes, length, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return refuses_fd(fd) ? -1 : REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  return refuses_fd(fd) ? -1 : REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t)(fd, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  return refuses_fd(fd) ? -1 : REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t)(fd, parts, count, at);
}
int fallocate(int fd, int mode, off_t at, off_t length) {
  return refuses_fd(fd) ? -1 : REAL(int, "fallocate", int, int, off_t, off_t)(fd, mode, at, length);
}
int fallocate64(int fd, int mode, off64_t at, off64_t length) {
  return refuses_fd(fd) ? -1 : REAL(int, "fallocate64", int, int, off64_t, off64_t)(fd, mode, at, length);
}
int posix_fallocate(int fd, off_t at, off_t length) {
  return refuses_fd(fd) ? EROFS : REAL(int, "posix_fallocate", int, off_t, off_t)(fd, at, length);
}
int ftruncate(int fd, off_t length) { return refuses_fd(fd) ? -1 : REAL(int, "ftruncate", int, off_t)(fd, length); }
int ftruncate64(int fd, off64_t length) { return refuses_fd(fd) ? -1 : REAL(int, "ftruncate64", int, off64_t)(fd, length); }
int rename(const char *from, const char *to) {
  return refuses_path(to) ? -1 : REAL(int, "rename", const char *, const char *)(from, to);
}
int unlink(const char *path) { return refuses_path(path) ? -1 : REAL(int, "unlink", const char *)(path); }
int mkdir(const char *path, mode_t mode) { return refuses_path(path) ? -1 : REAL(int, "mkdir", const char *, mode_t)(path, mode); }
