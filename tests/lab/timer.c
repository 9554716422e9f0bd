/* A bare timer loop: sleeps COUNT times for SECONDS on a timerfd and prints how late it woke, in milliseconds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    double length = atof(argv[1]);
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    for (int i = atoi(argv[2]); i > 0; i--) {
        uint64_t fired;
        double due = now() + length;
        struct itimerspec at = {.it_value = {(time_t)due, (long)((due - (time_t)due) * 1e9)}};
        timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
        if (read(fd, &fired, sizeof fired) != sizeof fired) return 1;
        printf("%.3f\n", (now() - due) * 1000);
        fflush(stdout);
    }
    return 0;
}
