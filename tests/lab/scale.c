/* What a thousand virtual routers cost at the least, and a watcher of how well they do. Links are called v0, v1, ..

   scale send LINKS ROUTERS INTERVAL_MS SECONDS   adverts by bare sendmmsg; CPU us for each
   scale hear LINKS SECONDS                       adverts by bare recvmmsg behind epoll; CPU us for each
   scale add LINKS ROUTERS                        addresses by bare rtnetlink; ms for all (they stay)
   scale cpu SECONDS PID..                        CPU us that these processes use in that time
   scale wake MS COUNT                            a bare timer loop: us of each wake, nothing else done
   scale watch LINKS FILE                         until it is ended: each advert and address, with its time
   scale ready WORD PROGRAM ARG..                 ms from exec until the program has said WORD on its standard error or output

   Router j of link i: VRID j, address 10.(100+i).1.j; j counts from 1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 16
#define BATCH 64

static void die(const char *what) { perror(what); exit(1); }
static double clock_of(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static double now(void) { return clock_of(CLOCK_MONOTONIC); }
static unsigned link_index(int i) {
    char name[16];
    snprintf(name, sizeof name, "v%d", i);
    return if_nametoindex(name);
}

static int vrrp_socket(int i) {
    int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, 112), on = 1, off = 0, size = 4 << 20;
    char name[16];
    if (fd < 0) die("socket");
    snprintf(name, sizeof name, "v%d", i);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name))) die(name);
    setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    struct ip_mreqn group = {.imr_multiaddr.s_addr = inet_addr("224.0.0.18"), .imr_ifindex = link_index(i)};
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group);
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group)) die("membership");
    return fd;
}

static int send_all(int links, int routers, int ms, double seconds) {
    static unsigned char packet[256][32];
    int fds[MOST], timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("224.0.0.18")};
    for (int i = 0; i < links; i++) fds[i] = vrrp_socket(i);
    struct itimerspec every = {{0, ms * 1000000L}, {0, ms * 1000000L}};
    timerfd_settime(timer, 0, &every, NULL);
    long sent = 0;
    double begin = clock_of(CLOCK_PROCESS_CPUTIME_ID), end = now() + seconds;
    while (now() < end) {
        uint64_t fired;
        if (read(timer, &fired, 8) != 8) die("timer");
        for (int i = 0; i < links; i++) {
            struct mmsghdr heads[BATCH];
            struct iovec parts[BATCH];
            for (int done = 0; done < routers;) {
                int n = routers - done < BATCH ? routers - done : BATCH;
                memset(heads, 0, sizeof heads);
                for (int k = 0; k < n; k++) {
                    unsigned char *p = packet[k], vrid = done + k + 1;
                    unsigned char head[32] = {0x45, 0xc0, 0, 32, 0, 1, 0, 0, 255, 112, 0, 0, 10, 100 + i, 0, 1, 224, 0, 0, 18,
                                              0x31, vrid, 200, 1, 0, ms / 10, 0, 0, 10, 100 + i, 1, vrid};
                    memcpy(p, head, 32);
                    uint32_t sum = 0x0a64 + i + 0x0001 + 0xe000 + 0x0012 + 112 + 12;
                    for (int b = 20; b < 32; b += 2) sum += p[b] << 8 | p[b + 1];
                    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
                    p[26] = ~sum >> 8, p[27] = ~sum;
                    parts[k] = (struct iovec){p, 32};
                    heads[k].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[k], .msg_iovlen = 1};
                }
                int went = sendmmsg(fds[i], heads, n, MSG_DONTWAIT);
                if (went < 1) die("sendmmsg");
                done += went, sent += went;
            }
        }
    }
    printf("%.2f\n", (clock_of(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / sent);
    return 0;
}

static int hear_all(int links, double seconds) {
    static unsigned char bytes[BATCH][2048];
    int queue = epoll_create1(0);
    for (int i = 0; i < links; i++) {
        int fd = vrrp_socket(i);
        struct epoll_event want = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
        epoll_ctl(queue, EPOLL_CTL_ADD, fd, &want);
    }
    long heard = 0;
    double begin = clock_of(CLOCK_PROCESS_CPUTIME_ID), end = now() + seconds;
    while (now() < end) {
        struct epoll_event ready[MOST];
        int n = epoll_wait(queue, ready, MOST, 100);
        for (int i = 0; i < n; i++) {
            struct mmsghdr heads[BATCH];
            struct iovec parts[BATCH];
            for (int got = BATCH; got == BATCH; heard += got) {
                memset(heads, 0, sizeof heads);
                for (int k = 0; k < BATCH; k++) {
                    parts[k] = (struct iovec){bytes[k], sizeof bytes[k]};
                    heads[k].msg_hdr.msg_iov = &parts[k], heads[k].msg_hdr.msg_iovlen = 1;
                }
                got = recvmmsg(ready[i].data.fd, heads, BATCH, MSG_DONTWAIT, NULL);
                if (got < 0) break;
            }
        }
    }
    printf("%.2f\n", heard ? (clock_of(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / heard : 0);
    return 0;
}

static int add_all(int links, int routers) {
    static char out[1 << 20], in[1 << 16];
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), size = 8 << 20, waiting = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    double begin = now();
    for (int i = 0; i < links; i++) {
        char *at = out;
        for (int j = 1; j <= routers; j++) {
            struct { struct nlmsghdr head; struct ifaddrmsg body; struct rtattr attr; unsigned char ip[4]; } __attribute__((packed)) m = {
                {sizeof m, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ++waiting, 0},
                {AF_INET, 32, 0, 0, link_index(i)}, {8, IFA_LOCAL}, {10, 100 + i, 1, j}};
            memcpy(at, &m, sizeof m), at += sizeof m;
        }
        if (send(fd, out, at - out, 0) < 0) die("netlink");
    }
    while (waiting > 0) {
        ssize_t n = recv(fd, in, sizeof in, 0);
        for (struct nlmsghdr *h = (void *)in; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
            if (h->nlmsg_type == NLMSG_ERROR && ((struct nlmsgerr *)NLMSG_DATA(h))->error) fprintf(stderr, "address refused\n");
            waiting--;
        }
    }
    printf("%.2f\n", (now() - begin) * 1000);
    return 0;
}

/* The first number of schedstat is exact, unlike what is sampled at ticks. */
static double used(char *pid) {
    char path[64];
    double ns = 0;
    snprintf(path, sizeof path, "/proc/%s/schedstat", pid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%lf", &ns) != 1) die(path);
    fclose(f);
    return ns;
}
static int cpu(double seconds, int count, char **pids) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum -= used(pids[i]);
    usleep(seconds * 1e6);
    for (int i = 0; i < count; i++) sum += used(pids[i]);
    printf("%.0f\n", sum / 1000);
    return 0;
}

static int wake(int ms, long count) {
    int timer = timerfd_create(CLOCK_MONOTONIC, 0), queue = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(queue, EPOLL_CTL_ADD, timer, &e);
    double begin = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < count; i++) {
        uint64_t fired;
        struct itimerspec at = {.it_value = {0, ms * 1000000L}};
        timerfd_settime(timer, 0, &at, NULL);
        epoll_wait(queue, &e, 1, -1);
        if (read(timer, &fired, 8) != 8) die("timer");
    }
    printf("%.2f\n", (clock_of(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / count);
    return 0;
}

static volatile sig_atomic_t ended;
static void end(int signal) { ended = signal; }

/* Lines: TIME LINK VRID SOURCE PRIORITY for an advert, TIME + LINK VRID for an address that is up. */
static void watch(int links, char *file) {
    static char bytes[1 << 16];
    struct pollfd fds[MOST + 1];
    int size = 64 << 20, on = 1;
    FILE *out = fopen(file, "w");
    if (!out) die(file);
    static char buffer[1 << 22];
    setvbuf(out, buffer, _IOFBF, sizeof buffer);
    for (int i = 0; i < links; i++) {
        int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));
        struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = link_index(i)};
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        if (bind(fd, (void *)&at, sizeof at)) die("bind");
        fds[i] = (struct pollfd){fd, POLLIN, 0};
    }
    int news = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR};
    setsockopt(news, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    if (bind(news, (void *)&at, sizeof at)) die("netlink");
    fds[links] = (struct pollfd){news, POLLIN, 0};
    fprintf(out, "ready\n"), fflush(out);
    signal(SIGTERM, end);
    while (!ended) {
        poll(fds, links + 1, 100);
        double t = clock_of(CLOCK_REALTIME);
        ssize_t n = recv(news, bytes, sizeof bytes, 0);
        if (n > 0)
            for (struct nlmsghdr *h = (void *)bytes; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
                struct ifaddrmsg *a = NLMSG_DATA(h);
                int left = IFA_PAYLOAD(h);
                if (h->nlmsg_type != RTM_NEWADDR) continue;
                for (struct rtattr *r = IFA_RTA(a); RTA_OK(r, left); r = RTA_NEXT(r, left)) {
                    unsigned char *ip = RTA_DATA(r);
                    if (r->rta_type == IFA_LOCAL && ip[2] == 1) fprintf(out, "%.6f + %d %d\n", t, ip[1] - 100, ip[3]);
                }
            }
        for (int i = 0; i < links; i++)
            for (int k = 0; k < 256; k++) {
                char control[128];
                struct iovec part = {bytes, 2048};
                struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
                unsigned char *ip = (void *)bytes;
                ssize_t len = recvmsg(fds[i].fd, &head, 0);
                if (len < 0) break;
                if (len < 28 || ip[0] != 0x45 || ip[9] != 112) continue;
                struct timespec *stamp = (void *)CMSG_DATA(CMSG_FIRSTHDR(&head));
                fprintf(out, "%ld.%06ld %d %d %d.%d %d\n", stamp->tv_sec, stamp->tv_nsec / 1000, i, ip[21], ip[14], ip[15], ip[22]);
            }
    }
    fclose(out);
}

static int ready(char *word, char **argv) {
    int ends[2];
    char said[1 << 16];
    size_t have = 0;
    if (pipe(ends)) die("pipe");
    double begin = now();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1), dup2(ends[1], 2), close(ends[0]), close(ends[1]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    while (have + 1 < sizeof said) {
        ssize_t n = read(ends[0], said + have, sizeof said - 1 - have);
        if (n <= 0) break;
        have += n, said[have] = 0;
        if (strstr(said, word)) {
            printf("%.2f\n", (now() - begin) * 1000);
            fflush(stdout);
            break;
        }
    }
    kill(pid, SIGTERM);
    while (read(ends[0], said, sizeof said) > 0) ;
    waitpid(pid, NULL, 0);
    return 0;
}

int main(int argc, char **argv) {
    char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "send") && argc == 6) return send_all(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atof(argv[5]));
    if (!strcmp(what, "hear") && argc == 4) return hear_all(atoi(argv[2]), atof(argv[3]));
    if (!strcmp(what, "add") && argc == 4) return add_all(atoi(argv[2]), atoi(argv[3]));
    if (!strcmp(what, "cpu") && argc > 3) return cpu(atof(argv[2]), argc - 3, argv + 3);
    if (!strcmp(what, "wake") && argc == 4) return wake(atoi(argv[2]), atol(argv[3]));
    if (!strcmp(what, "watch") && argc == 4) return watch(atoi(argv[2]), argv[3]), 0;
    if (!strcmp(what, "ready") && argc > 3) return ready(argv[2], argv + 3);
    return 2;
}
