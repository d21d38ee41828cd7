/* Stands between the exporter and the C library: a disk that hangs or refuses, a wall clock that is set, and names that
 * lead nowhere.
 *
 * FAULTS_FOLDER  what the disk's faults are about
 * FAULTS_DISK    a file; its first word says what is wrong now: `hang` (no call returns), `hang-writes` (none that
 *                writes does, as in a frozen file system) or `refuse` (no file can be opened); nothing without it
 * FAULTS_CLOCK   a file with the seconds that the wall clock is off
 * FAULTS_NAMES   a folder with a file for each name of a host that is in trouble; its first word says in which: `none`
 *                (there is no such name), `again` (the name server fails), `hang` (it does not answer) or `flip` (the name
 *                leads to where nobody listens). All others below `test` are this machine
 * FAULTS_SIGNAL  the number of a signal that the process sends itself when it makes its first thread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int read_word_of(const char *path, char *word, size_t size) {
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long length = syscall(SYS_read, file, word, size - 1);
    syscall(SYS_close, file);
    if (length <= 0) return 0;
    word[length] = 0;
    word[strcspn(word, " \n")] = 0;
    return 1;
}

static int read_word(const char *variable, char *word, size_t size) {
    const char *path = getenv(variable);
    return path != NULL && read_word_of(path, word, size);
}

/* Returns when the call may go on; -1 when it has to fail. */
static int ask(const char *path, int writes, int opens) {
    const char *folder = getenv("FAULTS_FOLDER");
    if (folder == NULL || path == NULL || strncmp(path, folder, strlen(folder)) != 0) return 0;
    char word[32];
    while (read_word("FAULTS_DISK", word, sizeof word)) {
        if (opens && strcmp(word, "refuse") == 0) {
            errno = EACCES;
            return -1;
        }
        if (strcmp(word, "hang") != 0 && !(writes && strcmp(word, "hang-writes") == 0)) return 0;
        struct timespec pause = {0, 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int ask_file(int file, int writes) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return ask(path, writes, 0);
}

#define OPEN(name)                                                         \
    int name(const char *path, int flags, ...) {                           \
        va_list rest;                                                      \
        va_start(rest, flags);                                             \
        mode_t mode = va_arg(rest, mode_t);                                \
        va_end(rest);                                                      \
        if (ask(path, (flags & O_CREAT) != 0, 1) != 0) return -1;          \
        return NEXT(name)(path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) { return ask(path, 1, 1) ? -1 : NEXT(mkdir)(path, mode); }
int rename(const char *from, const char *to) { return ask(to, 1, 1) ? -1 : NEXT(rename)(from, to); }
int unlink(const char *path) { return ask(path, 1, 1) ? -1 : NEXT(unlink)(path); }
int stat64(const char *path, struct stat64 *out) { return ask(path, 0, 0) ? -1 : NEXT(stat64)(path, out); }
int statx(int folder, const char *path, int flags, unsigned mask, struct statx *out) {
    return ask(path, 0, 0) ? -1 : NEXT(statx)(folder, path, flags, mask, out);
}
int fsync(int file) { return ask_file(file, 1) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return ask_file(file, 1) ? -1 : NEXT(fdatasync)(file); }
int ftruncate64(int file, off64_t length) { return ask_file(file, 1) ? -1 : NEXT(ftruncate64)(file, length); }
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return ask_file(file, 1) ? -1 : NEXT(pwrite64)(file, bytes, count, offset);
}
ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
    return ask_file(file, 0) ? -1 : NEXT(pread64)(file, bytes, count, offset);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int code = (int)syscall(SYS_clock_gettime, clock, out);
    char word[32];
    if (code == 0 && clock == CLOCK_REALTIME && read_word("FAULTS_CLOCK", word, sizeof word)) out->tv_sec += atol(word);
    return code;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    const char *folder = getenv("FAULTS_NAMES"), *here = "127.0.0.1";
    size_t length = name == NULL ? 0 : strlen(name);
    if (folder == NULL || length < 5 || strcmp(name + length - 5, ".test") != 0) {
        return NEXT(getaddrinfo)(name, service, hints, found);
    }
    char path[4096], word[32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    while (read_word_of(path, word, sizeof word)) {
        if (strcmp(word, "none") == 0) return EAI_NONAME;
        if (strcmp(word, "again") == 0) return EAI_AGAIN;
        if (strcmp(word, "flip") == 0) here = "127.0.0.2";
        if (strcmp(word, "hang") != 0) break;
        struct timespec pause = {0, 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return NEXT(getaddrinfo)(here, service, hints, found);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    static int is_sent;
    const char *number = getenv("FAULTS_SIGNAL");
    if (number != NULL && !__atomic_exchange_n(&is_sent, 1, __ATOMIC_SEQ_CST)) kill(getpid(), atoi(number));
    return NEXT(pthread_create)(thread, attributes, run, argument);
}
