/*
 * A link between two tun devices, which loses packets, holds them back, or passes none: TCP on both ends is the kernel's own.
 *
 *   lossy-link NAME0 NAME1     makes the devices and says "ready"; then takes lines on its standard input
 *     loss P                   of 100 packets of either direction P are lost
 *     delay MS                 each packet is MS milliseconds on its way
 *
 * It ends with its standard input.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048
#define QUEUE_MAX 4096

struct packet {
  int64_t due;
  int to;
  int length;
  unsigned char bytes[PACKET_MAX];
};

static struct packet *queue[QUEUE_MAX];
static int head, count, loss, delay_ms;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int device(const char *name) {
  struct ifreq request = {0};
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
    perror(name);
    exit(2);
  }
  return fd;
}

static void take(int from, int to) {
  for (;;) {
    struct packet *packet = malloc(sizeof *packet);
    packet->length = (int)read(from, packet->bytes, PACKET_MAX);
    int lost = packet->length > 0 && rand() % 100 < loss;
    if (packet->length <= 0 || lost || count == QUEUE_MAX) {
      int end = packet->length <= 0;
      free(packet);
      if (end) return;
      continue;
    }
    packet->to = to;
    packet->due = now() + delay_ms;
    queue[(head + count) % QUEUE_MAX] = packet;
    count += 1;
  }
}

/* In the order in which they came: a delay that has become shorter does not overtake. */
static void give(void) {
  while (count > 0 && queue[head]->due <= now()) {
    struct packet *packet = queue[head];
    if (write(packet->to, packet->bytes, packet->length) < 0) { /* the device is down: a lost packet */
    }
    free(packet);
    head = (head + 1) % QUEUE_MAX;
    count -= 1;
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int fds[2] = {device(argv[1]), device(argv[2])};
  srand(7);
  puts("ready");
  fflush(stdout);
  fcntl(0, F_SETFL, O_NONBLOCK);
  char text[256];
  for (;;) {
    struct pollfd polls[3] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}, {0, POLLIN, 0}};
    int wait = 1000;
    if (count > 0) {
      int64_t left = queue[head]->due - now();
      wait = left < 0 ? 0 : left > 1000 ? 1000 : (int)left;
    }
    poll(polls, 3, wait);
    if (polls[2].revents) {
      ssize_t length = read(0, text, sizeof text - 1);
      if (length == 0) return 0;
      if (length > 0) {
        text[length] = 0;
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
          sscanf(line, "loss %d", &loss);
          sscanf(line, "delay %d", &delay_ms);
        }
        puts("done");
        fflush(stdout);
      }
    }
    take(fds[0], fds[1]);
    take(fds[1], fds[0]);
    give();
  }
}
