#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "monitor.h"
#include "say.h"

enum {
    PACKET_SIZE = 8192,       /* of output, behind the byte for the stream */
    QUEUE_MAX = 256 * 1024,   /* from here on the container waits */
    STALL_MS = 3000,          /* without taking anything while it waits */
    CHECK_MS = 500,
};

static void forget_output(struct client *client) {
    for (struct chunk *chunk = client->chunk; chunk != NULL; chunk = chunk->next) chunk->waiting--;
    client->chunk = NULL;
    client->offset = 0;
    client->deaf = true;
}

static void end_client_input(struct monitor *monitor, struct client *client) {
    if (client->input_ended) return;
    client->input_ended = true;
    end_input(monitor);
}

/* The client is freed by tend_clients(): the loop may still hold events for it. */
static void lose(struct monitor *monitor, struct client *client) {
    if (client->source.fd < 0) return;
    monitor->attach.count--;
    forget_output(client);
    end_client_input(monitor, client);
    drop(monitor->loop, &client->source);
}

/* HUP alone is asked for where nothing else is, to learn of the end. */
static void update(struct monitor *monitor, struct client *client) {
    uint32_t output = client->chunk != NULL ? EPOLLOUT : 0;
    uint32_t input = client->input_ended ? EPOLLHUP : EPOLLIN;
    /* While input waits the end is not to be seen either: packets before it are still to be read. */
    if (!client->input_ended && input_is_busy(&monitor->input)) input = 0;
    rewatch(monitor->loop, &client->source, output | input);
}

void update_clients(struct monitor *monitor) {
    for (struct client *client = monitor->attach.clients; client != NULL; client = client->next) {
        if (client->source.fd >= 0) update(monitor, client);
    }
}

/* Sends as much as the socket takes, in packets; returns how much, or -1 when the client is gone. */
static ssize_t send_packets(struct client *client, uint8_t stream, const char *data, size_t size) {
    size_t done = 0;
    while (done < size) {
        size_t length = size - done < PACKET_SIZE ? size - done : PACKET_SIZE;
        struct iovec parts[] = {{&stream, 1}, {(void *)(uintptr_t)(data + done), length}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        if (sendmsg(client->source.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) return -1;
            break;
        }
        done += length;
    }
    if (done > 0) client->progress_at = now_ms();
    return (ssize_t)done;
}

static void free_taken(struct attach *attach) {
    while (attach->first != NULL && attach->first->waiting == 0) {
        struct chunk *chunk = attach->first;
        attach->first = chunk->next;
        attach->queued -= chunk->size;
        free(chunk);
    }
    if (attach->first == NULL) attach->last = NULL;
}

static void pause_if_needed(struct monitor *monitor) {
    struct attach *attach = &monitor->attach;
    if (!attach->paused && attach->queued > QUEUE_MAX) {
        attach->paused = true;
        attach->check_at = now_ms() + CHECK_MS;
        pause_outputs(monitor);
    } else if (attach->paused && attach->queued <= QUEUE_MAX / 2) {
        attach->paused = false;
        resume_outputs(monitor);
    }
}

static void send_queued(struct monitor *monitor, struct client *client) {
    while (client->chunk != NULL) {
        struct chunk *chunk = client->chunk;
        ssize_t sent = send_packets(client, chunk->stream, chunk->data + client->offset,
                                    chunk->size - client->offset);
        if (sent < 0) {
            forget_output(client);
            break;
        }
        client->offset += (size_t)sent;
        if (client->offset < chunk->size) break;
        chunk->waiting--;
        client->chunk = chunk->next;
        client->offset = 0;
    }
    free_taken(&monitor->attach);
    pause_if_needed(monitor);
}

/* Keeps a copy for clients that are behind, or whose sockets took a part of it (`offset`). */
static void queue(struct monitor *monitor, uint8_t stream, const char *data, size_t size,
                  size_t behind) {
    struct attach *attach = &monitor->attach;
    struct chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk != NULL) {
        *chunk = (struct chunk){.waiting = behind, .size = size, .stream = stream};
        memcpy(chunk->data, data, size);
        if (attach->last != NULL) attach->last->next = chunk;
        else attach->first = chunk;
        attach->last = chunk;
        attach->queued += size;
    }
    for (struct client *client = attach->clients; client != NULL; client = client->next) {
        if (client->deaf || (client->chunk == NULL && client->offset == size)) continue;
        if (chunk == NULL) forget_output(client);
        else if (client->chunk == NULL) client->chunk = chunk;
    }
}

void send_to_clients(struct monitor *monitor, enum stream stream, const char *data, size_t size) {
    struct attach *attach = &monitor->attach;
    if (attach->clients == NULL || size == 0) return;
    size_t behind = 0;
    for (struct client *client = attach->clients; client != NULL; client = client->next) {
        if (client->deaf) continue;
        if (client->chunk == NULL) {
            ssize_t sent = send_packets(client, (uint8_t)stream, data, size);
            if (sent < 0) {
                forget_output(client);
                continue;
            }
            client->offset = (size_t)sent;
            if (client->offset == size) continue;
        }
        behind++;
    }
    if (behind > 0) queue(monitor, (uint8_t)stream, data, size, behind);
    update_clients(monitor);
    pause_if_needed(monitor);
}

/* The whole packet, whatever its size: the first look tells how much room it needs. */
static void receive_packet(struct monitor *monitor, struct client *client) {
    char first;
    ssize_t size = recv(client->source.fd, &first, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    /* A peer that closes without having read all leaves this error before the packets it has sent. */
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) return;
    if (size < 0) {
        lose(monitor, client);
        return;
    }
    if (size == 0) {
        end_client_input(monitor, client);
        return;
    }
    char *packet = malloc((size_t)size);
    if (packet == NULL) {
        say(SAY_WARNING, "no memory for an attach client's packet of %zd bytes", size);
        lose(monitor, client);
        return;
    }
    size = recv(client->source.fd, packet, (size_t)size, MSG_DONTWAIT);
    if (size > 0) write_input(monitor, packet, (size_t)size);
    else free(packet);
}

static void client_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    struct client *client = (struct client *)source;
    if ((events & EPOLLOUT) != 0) send_queued(monitor, client);
    if ((events & EPOLLIN) != 0 && source->fd >= 0) receive_packet(monitor, client);
    /* With input left to read the end is found by reading. */
    bool hung_up = (events & EPOLLHUP) != 0;
    if (hung_up && source->fd >= 0 && ((events & EPOLLIN) == 0 || client->input_ended)) {
        lose(monitor, client);
    }
    update_clients(monitor);
}

void evict_gone(struct monitor *monitor) {
    for (struct client *client = monitor->attach.clients; client != NULL; client = client->next) {
        struct pollfd fd = {.fd = client->source.fd};
        if (fd.fd >= 0 && poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP) != 0) lose(monitor, client);
    }
}

int add_client(struct monitor *monitor, int fd) {
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) return -1;
    client->source = (struct source){.fd = fd, .ready = client_ready};
    client->progress_at = now_ms();
    if (watch(monitor->loop, &client->source, EPOLLIN) < 0) {
        free(client);
        return -1;
    }
    client->next = monitor->attach.clients;
    monitor->attach.clients = client;
    monitor->attach.count++;
    update(monitor, client);
    return 0;
}

static void drop_stalled(struct monitor *monitor) {
    int64_t now = now_ms();
    monitor->attach.check_at = now + CHECK_MS;
    for (struct client *client = monitor->attach.clients; client != NULL; client = client->next) {
        if (client->chunk != NULL && now - client->progress_at >= STALL_MS) {
            say(SAY_WARNING, "an attach client takes no output and is dropped");
            lose(monitor, client);
        }
    }
}

static void free_lost(struct attach *attach) {
    for (struct client **place = &attach->clients; *place != NULL;) {
        struct client *client = *place;
        if (client->source.fd >= 0) {
            place = &client->next;
            continue;
        }
        *place = client->next;
        free(client);
    }
}

void tend_clients(struct monitor *monitor) {
    struct attach *attach = &monitor->attach;
    if (attach->clients == NULL) return;
    if (attach->paused && now_ms() >= attach->check_at) drop_stalled(monitor);
    free_lost(attach);
    free_taken(attach);
    pause_if_needed(monitor);
}

void finish_clients(struct monitor *monitor) {
    struct attach *attach = &monitor->attach;
    drop(monitor->loop, &attach->listener);
    while (attach->first != NULL && attach->clients != NULL) {
        serve_once(monitor->loop, monitor, CHECK_MS);
        drop_stalled(monitor);
        tend_clients(monitor);
    }
    while (attach->clients != NULL) {
        lose(monitor, attach->clients);
        free_lost(attach);
    }
}
