/* The least that a push server can do: one epoll loop that writes the same bytes to every socket.
 *
 * Any GET is answered as a WebSocket handshake, or with Accept: text/event-stream as an event stream. The body of any
 * POST is written to all viewers as it is: a whole frame, or a whole event. What a real server costs above this is its
 * own work; the rest is the kernel's.
 *
 *     cc -O2 -o floor floor.c && ./floor PORT SEC-WEBSOCKET-ACCEPT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define VIEWERS_MAX (1 << 17)
#define REQUEST_MAX (1 << 20)

static int viewers[VIEWERS_MAX], count;
static const char *accept_key;

/* What came of the one publisher's request that isn't whole yet. */
static char request[REQUEST_MAX + 1];
static size_t held;

static void write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) return;
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            poll(&writable, 1, 1000);
            continue;
        }
        data += sent;
        size -= sent;
    }
}

static void open_stream(int fd, const char *head) {
    char answer[512];
    int size = strcasestr(head, "text/event-stream")
        ? snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        : snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept_key);
    write_all(fd, answer, size);
    if (count < VIEWERS_MAX) viewers[count++] = fd;
}

static void publish(int fd) {
    char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
    if (!end || !length) return;
    size_t head = end + 4 - request, body = strtoul(length + 15, 0, 10);
    if (held < head + body) return;
    for (int i = 0; i < count; i++) write_all(viewers[i], request + head, body);
    static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
    write_all(fd, answer, sizeof answer - 1);
    held = 0;
}

static void forget(int fd) {
    for (int i = 0; i < count; i++)
        if (viewers[i] == fd) { viewers[i] = viewers[--count]; break; }
    close(fd);
}

static void serve(int fd) {
    static char data[1 << 16];
    ssize_t size = read(fd, data, sizeof data - 1);
    if (size <= 0) { forget(fd); return; }
    data[size] = 0;
    if (!strncmp(data, "GET ", 4)) { open_stream(fd, data); return; }
    /* A frame from a viewer is masked, and begins with neither. */
    if (!held && strncmp(data, "POST ", 5)) return;
    if (held + size > REQUEST_MAX) { held = 0; forget(fd); return; }
    memcpy(request + held, data, size);
    held += size;
    request[held] = 0;
    publish(fd);
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: floor PORT SEC-WEBSOCKET-ACCEPT\n"); return 2; }
    accept_key = argv[2];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) {
        perror("floor");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) { serve(events[i].data.fd); continue; }
            int fd = accept4(listener, 0, 0, SOCK_NONBLOCK);
            if (fd < 0) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
