/**
 * basalt.node: the system calls that Node does not have, one a function, through Node-API only, so that one build serves
 * every Node version. It decides nothing, starts no thread and keeps no state but the table of wakers (waker.h).
 *
 * Every function checks its arguments and returns the call's value, or a negative errno that src/native turns into an
 * Error with code, errno and syscall. Memory: reserve() makes one range of address space that stays what it is until its
 * ArrayBuffer is collected; files are mapped over it and anonymous zero pages over them, so a late reader never faults.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "arguments.h"
#include "copy.h"
#include "waker.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static const int kZeroPages = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
static const char kOffset[] = "offset must be a whole number of bytes";
static const char kLength[] = "length must be a whole number of bytes";

static size_t pageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

static void unreserve(napi_env, void* data, void* hint) { munmap(data, reinterpret_cast<size_t>(hint)); }

/** reserve(size): an ArrayBuffer of readable zeros that takes address space and no memory, or a negative errno. */
static napi_value reserve(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int64_t size;
  if (!args.size(0, &size, "size must be a whole number of bytes")) return nullptr;
  void* base = mmap(nullptr, static_cast<size_t>(size), PROT_READ, kZeroPages, -1, 0);
  if (base == MAP_FAILED) return outcome(env, -1);
  napi_value buffer = nullptr;
  void* hint = reinterpret_cast<void*>(static_cast<size_t>(size));
  if (napi_create_external_arraybuffer(env, base, static_cast<size_t>(size), unreserve, hint, &buffer) != napi_ok) {
    munmap(base, static_cast<size_t>(size));
    return nullptr;
  }
  napi_type_tag_object(env, buffer, &kSlotTag);
  return buffer;
}

/** mapFile(slot, fd, fileOffset, length, writable): the file's pages at the slot's start. */
static napi_value mapFile(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* base;
  size_t slotSize;
  int fd;
  int64_t fileOffset, length;
  bool writable;
  if (!args.slot(0, &base, &slotSize) || !args.descriptor(1, &fd) || !args.size(2, &fileOffset, kOffset) ||
      !args.size(3, &length, kLength) || !args.flag(4, &writable)) {
    return nullptr;
  }
  if (length == 0 || static_cast<size_t>(length) > slotSize) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "length must be 1 … size of the slot");
    return nullptr;
  }
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* at = mmap(base, static_cast<size_t>(length), protection, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(fileOffset));
  if (at != MAP_FAILED) return number(env, 0);
  int failure = errno;
  // The kernel may have removed the old pages before it failed: no hole may stay.
  mmap(base, static_cast<size_t>(length), PROT_READ, kZeroPages | MAP_FIXED, -1, 0);
  return number(env, -failure);
}

/** overlay(slot): anonymous read-only zero pages over the whole slot; what was mapped is released at once. */
static napi_value overlay(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* base;
  size_t size;
  if (!args.slot(0, &base, &size)) return nullptr;
  return outcome(env, mmap(base, size, PROT_READ, kZeroPages | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0);
}

/** resident(slot, offset, length): 1 when every page is in memory, 0 when one is not. */
static napi_value resident(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* start;
  size_t length;
  const size_t page = pageSize();
  if (!args.pages(&start, &length, page)) return nullptr;
  unsigned char pages[1024];
  while (length > 0) {
    const size_t part = length < sizeof(pages) * page ? length : sizeof(pages) * page;
#ifdef __APPLE__
    if (mincore(start, part, reinterpret_cast<char*>(pages)) == -1) return outcome(env, -1);
#else
    if (mincore(start, part, pages) == -1) return outcome(env, -1);
#endif
    for (size_t i = 0; i < (part + page - 1) / page; i++) {
      if ((pages[i] & 1) == 0) return number(env, 0);
    }
    start += part;
    length -= part;
  }
  return number(env, 1);
}

/** advise(slot, offset, length, advice): madvise with the system's own number (constants below). */
static napi_value advise(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* start;
  size_t length;
  int64_t advice;
  if (!args.pages(&start, &length, pageSize()) || !args.size(3, &advice, "advice must be a number")) return nullptr;
  return outcome(env, madvise(start, length, static_cast<int>(advice)));
}

/** syncMap(slot, offset, length): msync(MS_SYNC). */
static napi_value syncMap(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* start;
  size_t length;
  if (!args.pages(&start, &length, pageSize())) return nullptr;
  return outcome(env, msync(start, length, MS_SYNC));
}

/** lockMemory(slot, offset, length): mlock. */
static napi_value lockMemory(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* start;
  size_t length;
  if (!args.pages(&start, &length, pageSize())) return nullptr;
  return outcome(env, mlock(start, length));
}

/** unlockMemory(slot, offset, length): munlock. */
static napi_value unlockMemory(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char* start;
  size_t length;
  if (!args.pages(&start, &length, pageSize())) return nullptr;
  return outcome(env, munlock(start, length));
}

static bool fileRange(Arguments* args, int* fd, int64_t* offset, int64_t* length) {
  return args->descriptor(0, fd) && args->size(1, offset, kOffset) && args->size(2, length, kLength);
}

/** allocate(fd, offset, length, keepSize): blocks for the range; the file grows unless keepSize. */
static napi_value allocate(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int fd;
  int64_t offset, length;
  bool keepSize;
  if (!fileRange(&args, &fd, &offset, &length) || !args.flag(3, &keepSize)) return nullptr;
#ifdef __linux__
  int returned;
  do {
    returned = fallocate(fd, keepSize ? FALLOC_FL_KEEP_SIZE : 0, offset, length);
  } while (returned == -1 && errno == EINTR);
  return outcome(env, returned);
#else
  struct stat status;
  if (fstat(fd, &status) == -1) return outcome(env, -1);
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, offset + length - status.st_size, 0};
  if (store.fst_length > 0 && fcntl(fd, F_PREALLOCATE, &store) == -1) return outcome(env, -1);
  return outcome(env, keepSize || status.st_size >= offset + length ? 0 : ftruncate(fd, offset + length));
#endif
}

/** punch(fd, offset, length): gives the blocks of the range back; it reads as zeros. */
static napi_value punch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int fd;
  int64_t offset, length;
  if (!fileRange(&args, &fd, &offset, &length)) return nullptr;
#ifdef __linux__
  int returned;
  do {
    returned = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
  } while (returned == -1 && errno == EINTR);
  return outcome(env, returned);
#else
  fpunchhole_t hole = {0, 0, offset, length};
  return outcome(env, fcntl(fd, F_PUNCHHOLE, &hole));
#endif
}

/** nextData(fd, offset): first offset from there on that is not in a hole; the file's size when there is none. */
static napi_value nextData(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int fd;
  int64_t offset;
  if (!args.descriptor(0, &fd) || !args.size(1, &offset, "offset must be a whole number of bytes")) return nullptr;
  off_t next = lseek(fd, offset, SEEK_DATA);
  if (next == -1 && errno == ENXIO) next = lseek(fd, 0, SEEK_END);
  return next == -1 ? outcome(env, -1) : number(env, next);
}

/** syncData(fd): fdatasync; where that does not reach the disk, what does. Never repeated after a failure. */
static napi_value syncData(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int fd;
  if (!args.descriptor(0, &fd)) return nullptr;
#ifdef __APPLE__
  return outcome(env, fcntl(fd, F_FULLFSYNC));
#else
  return outcome(env, fdatasync(fd));
#endif
}

/** syncFolder(path): fsync of the folder itself, so that new and renamed names in it survive. */
static napi_value syncFolder(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char path[4096];
  if (!args.text(0, path, sizeof(path), "path must be a string of 1 … 4095 bytes")) return nullptr;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1) return outcome(env, -1);
#ifdef __APPLE__
  int returned = fcntl(fd, F_FULLFSYNC);
#else
  int returned = fsync(fd);
#endif
  napi_value result = outcome(env, returned);
  close(fd);
  return result;
}

/** lockRange(fd, offset, length): 1 locked, 0 somebody else holds it. Conflicts with fcntl locks of other processes. */
static napi_value lockRange(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int fd;
  int64_t offset, length;
  if (!fileRange(&args, &fd, &offset, &length)) return nullptr;
  struct flock lock;
  memset(&lock, 0, sizeof(lock));
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = static_cast<off_t>(length);
#ifdef F_OFD_SETLK
  // Owned by the open file: another open of it in this process conflicts too, and closing that one frees nothing.
  int returned = fcntl(fd, F_OFD_SETLK, &lock);
#else
  int returned = fcntl(fd, F_SETLK, &lock);
#endif
  if (returned == 0) return number(env, 1);
  return number(env, errno == EAGAIN || errno == EACCES ? 0 : -errno);
}

/** listenReusePort(host, port, backlog): a listening socket that other threads may listen beside. */
static napi_value listenReusePort(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char host[64];
  int64_t port, backlog;
  if (!args.text(0, host, sizeof(host), "host must be an IPv4 or IPv6 address") || !args.size(1, &port, "port must be 0 … 65535") ||
      !args.size(2, &backlog, "backlog must be a number")) {
    return nullptr;
  }
  struct sockaddr_storage address;
  memset(&address, 0, sizeof(address));
  struct sockaddr_in* v4 = reinterpret_cast<struct sockaddr_in*>(&address);
  struct sockaddr_in6* v6 = reinterpret_cast<struct sockaddr_in6*>(&address);
  socklen_t length = sizeof(*v4);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
  } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    length = sizeof(*v6);
  } else {
    return number(env, -EINVAL);
  }
  int fd = socket(address.ss_family, SOCK_STREAM, 0);
  if (fd == -1) return outcome(env, -1);
  int on = 1;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1 ||
      bind(fd, reinterpret_cast<struct sockaddr*>(&address), length) == -1 || listen(fd, static_cast<int>(backlog)) == -1) {
    napi_value failure = outcome(env, -1);
    close(fd);
    return failure;
  }
  return number(env, fd);
}

/** setNice(nice): scheduling priority of the calling thread alone; ENOSYS where a thread has none of its own. */
static napi_value setNice(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int64_t nice;
  if (!args.size(0, &nice, "nice must be 0 … 19")) return nullptr;
#ifdef __linux__
  return outcome(env, setpriority(PRIO_PROCESS, 0, static_cast<int>(nice)));
#else
  return number(env, -ENOSYS);
#endif
}

static void constant(napi_env env, napi_value exports, const char* name, int64_t value) {
  napi_set_named_property(env, exports, name, number(env, value));
}

#define FUNCTION(name) {#name, nullptr, name, nullptr, nullptr, nullptr, napi_default, nullptr}

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  const napi_property_descriptor functions[] = {
      FUNCTION(reserve),      FUNCTION(mapFile),    FUNCTION(overlay),   FUNCTION(resident),        FUNCTION(advise),
      FUNCTION(syncMap),      FUNCTION(lockMemory), FUNCTION(allocate),  FUNCTION(unlockMemory),    FUNCTION(punch),
      FUNCTION(syncData),     FUNCTION(syncFolder), FUNCTION(lockRange), FUNCTION(listenReusePort), FUNCTION(openWaker),
      FUNCTION(closeWaker),   FUNCTION(wake),       FUNCTION(nextData),
      FUNCTION(copy),         FUNCTION(copyWithCrc), FUNCTION(crc32),     FUNCTION(setNice),
  };
  fillCrcTable();
  napi_define_properties(env, exports, sizeof(functions) / sizeof(functions[0]), functions);
  constant(env, exports, "pageSize", static_cast<int64_t>(pageSize()));
  constant(env, exports, "MADV_RANDOM", MADV_RANDOM);
  constant(env, exports, "MADV_SEQUENTIAL", MADV_SEQUENTIAL);
  constant(env, exports, "MADV_WILLNEED", MADV_WILLNEED);
  constant(env, exports, "MADV_DONTNEED", MADV_DONTNEED);
#ifdef __linux__
  // Linux 5.14; older C libraries do not name them and older kernels answer EINVAL.
  constant(env, exports, "MADV_POPULATE_READ", 22);
  constant(env, exports, "MADV_POPULATE_WRITE", 23);
#endif
  return exports;
}
