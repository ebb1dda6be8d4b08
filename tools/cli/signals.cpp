#include "tools/cli/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "tools/cli/exit_code.h"

namespace linnet::cli {
namespace {

// A signal handler can reach nothing but an object of static storage.
volatile std::sig_atomic_t caught =
    0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void note(int signal) {
  if (caught != 0) ::_exit(kBySignal + signal);
  caught = signal;
}

}  // namespace

void prepare_process() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // Opened the wrong way round on purpose: reading or writing reports a bad descriptor.
    if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) ::_exit(kFailed);
  }
  struct sigaction action {};
  action.sa_handler = note;  // no SA_RESTART: a read that waits comes back
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int interrupted() { return static_cast<int>(caught); }

bool take_interrupt() {
  if (caught != SIGINT) return false;
  caught = 0;
  return true;
}

void check_interrupt() {
  if (caught != 0) throw Interrupted{interrupted()};
}

void await_input(int fd) {
  sigset_t ours, before;
  ::sigemptyset(&ours);
  ::sigaddset(&ours, SIGINT);
  ::sigaddset(&ours, SIGTERM);
  // Only ppoll lets signals in, in one step with the wait: none can come between look and wait.
  ::pthread_sigmask(SIG_BLOCK, &ours, &before);
  if (caught == 0) {
    pollfd input{fd, POLLIN, 0};
    ::ppoll(&input, 1, nullptr, &before);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  check_interrupt();
}

}  // namespace linnet::cli
