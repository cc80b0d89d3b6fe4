/*
 * peer: an attach or notify client for tests, that does what a good client does and what a bad one may.
 *
 *   peer relay SOCKET            stdin to packets, packets to stdout and stderr
 *   peer hang SOCKET             connects, says `connected`, reads nothing until stdin ends
 *   peer connects SOCKET COUNT   connects and leaves, COUNT times
 *   peer hold SOCKET COUNT       connects COUNT times, says `connected`, holds until stdin ends
 *   peer packet SOCKET SIZE      one packet of SIZE bytes `x`, then as relay
 *   peer empty SOCKET            an empty packet, then as relay
 *   peer sizes SOCKET            prints the stream and size of each packet
 *   peer fuzz SOCKET COUNT SEED  random packets over random connections
 *   peer listen SOCKET           prints the datagrams that come there
 *   peer datagram SOCKET TEXT    sends one
 *   peer datagrams SOCKET COUNT SEED   random datagrams
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PACKET_MAX = 1 << 18 };
static char packet[PACKET_MAX];

static void die(const char *doing) {
    perror(doing);
    exit(1);
}

static int connect_to(const char *path, int type) {
    char directory[4096];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) die(directory);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory_fd,
             slash + 1);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die(path);
    close(directory_fd);
    return fd;
}

static int relay(int fd) {
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0) die("poll");
        if (fds[0].revents != 0) {
            ssize_t size = recv(fd, packet, sizeof packet, 0);
            if (size <= 0) return 0;
            if (write(packet[0] == 3 ? 2 : 1, packet + 1, (size_t)size - 1) < 0) return 0;
        }
        if (fds[1].revents != 0) {
            ssize_t size = read(0, packet, 32768);
            if (size <= 0) {
                shutdown(fd, SHUT_WR);
                fds[1].fd = -1;
            } else if (send(fd, packet, (size_t)size, MSG_NOSIGNAL) < 0) {
                fds[1].fd = -1;
            }
        }
    }
}

static int hold(const char *path, int count) {
    while (count-- > 0) connect_to(path, SOCK_SEQPACKET);
    puts("connected");
    fflush(stdout);
    while (read(0, packet, sizeof packet) > 0) continue;
    return 0;
}

static int sizes(int fd) {
    ssize_t size;
    while ((size = recv(fd, packet, sizeof packet, 0)) > 0) printf("%d %zd\n", packet[0], size - 1);
    return 0;
}

static void fill(size_t size) {
    for (size_t i = 0; i < size; i++) packet[i] = (char)rand();
}

static int fuzz(const char *path, int count) {
    while (count-- > 0) {
        int fd = connect_to(path, SOCK_SEQPACKET);
        for (int packets = rand() % 8; packets > 0; packets--) {
            size_t size = rand() % 4 == 0 ? (size_t)rand() % 100000 : (size_t)rand() % 100;
            fill(size);
            send(fd, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (rand() % 8 == 0) recv(fd, packet, 100, MSG_DONTWAIT);
        }
        if (rand() % 3 == 0) shutdown(fd, rand() % 3);
        if (rand() % 5 != 0) close(fd);
    }
    return 0;
}

static int datagrams(const char *path, int count) {
    static const char *const words[] = {"READY=1\n", "STATUS=", "\n", "MAINPID=1\n", "WATCHDOG=1"};
    int fd = connect_to(path, SOCK_DGRAM);
    while (count-- > 0) {
        size_t size = (size_t)rand() % 6000;
        fill(size);
        for (int i = rand() % 6; i > 0; i--) {
            const char *word = words[rand() % 5];
            if (size > 100) memcpy(packet + (size_t)rand() % (size - 50), word, strlen(word));
        }
        send(fd, packet, size, MSG_NOSIGNAL);
    }
    return 0;
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die(path);
    ssize_t size;
    while ((size = recv(fd, packet, sizeof packet, 0)) >= 0) {
        if (write(1, packet, (size_t)size) < 0) return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const char *command = argv[1], *path = argv[2];
    int number = argc > 3 ? atoi(argv[3]) : 0;
    srand(argc > 4 ? (unsigned)atoi(argv[4]) : 1);
    if (strcmp(command, "hang") == 0) return hold(path, 1);
    if (strcmp(command, "hold") == 0) return hold(path, number);
    if (strcmp(command, "fuzz") == 0) return fuzz(path, number);
    if (strcmp(command, "listen") == 0) return listen_at(path);
    if (strcmp(command, "datagram") == 0) {
        return send(connect_to(path, SOCK_DGRAM), argv[3], strlen(argv[3]), 0) < 0;
    }
    if (strcmp(command, "datagrams") == 0) return datagrams(path, number);
    if (strcmp(command, "connects") == 0) {
        while (number-- > 0) close(connect_to(path, SOCK_SEQPACKET));
        return 0;
    }
    int fd = connect_to(path, SOCK_SEQPACKET);
    if (strcmp(command, "sizes") == 0) return sizes(fd);
    if (strcmp(command, "empty") == 0) send(fd, "", 0, MSG_NOSIGNAL);
    if (strcmp(command, "packet") == 0) {
        memset(packet, 'x', (size_t)number);
        if (send(fd, packet, (size_t)number, MSG_NOSIGNAL) < 0) die("send");
    }
    return relay(fd);
}
