#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

extern char** environ;

namespace linnet::test {
namespace {

void check(int code, const char* what) {
  if (code != 0) throw std::system_error(code, std::generic_category(), what);
}

int memory_file() {
  const int fd = ::memfd_create("output", MFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  return fd;
}

void make_pipe(int (&ends)[2]) {
  if (::pipe2(ends, O_CLOEXEC) != 0) check(errno, "pipe2");
}

std::string content_of(int fd) {
  std::string text;
  ::lseek(fd, 0, SEEK_SET);
  char block[4096];
  for (ssize_t n; (n = ::read(fd, block, sizeof(block))) > 0;) {
    text.append(block, static_cast<std::size_t>(n));
  }
  return text;
}

// Starts the program with these descriptors as 0, 1 and 2; -1 closes. With a terminal, a session of
// its own, which opens it as 0: so it becomes the terminal that sends the session its signals.
pid_t spawn(const std::vector<std::string>& arguments,
            const std::vector<std::pair<std::string, std::string>>& more, const int (&fds)[3],
            const char* terminal = nullptr) {
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v) {
    if (std::string_view(*v).substr(0, 7) != "LINNET_") variables.emplace_back(*v);
  }
  for (const auto& [name, value] : more) variables.push_back(name + "=" + value);
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
  };

  posix_spawn_file_actions_t actions;
  check(::posix_spawn_file_actions_init(&actions), "file actions");
  if (terminal != nullptr) {
    check(::posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0), "file actions");
    check(::posix_spawn_file_actions_adddup2(&actions, 0, 1), "file actions");
  }
  for (int fd = terminal != nullptr ? 2 : 0; fd < 3; ++fd) {
    check(fds[fd] < 0 ? ::posix_spawn_file_actions_addclose(&actions, fd)
                      : ::posix_spawn_file_actions_adddup2(&actions, fds[fd], fd),
          "file actions");
  }
  // The default of SIGPIPE, whatever the test runner made of it.
  posix_spawnattr_t attributes;
  check(::posix_spawnattr_init(&attributes), "attributes");
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  check(::posix_spawnattr_setsigdefault(&attributes, &defaults), "attributes");
  const int flags = POSIX_SPAWN_SETSIGDEF | (terminal != nullptr ? POSIX_SPAWN_SETSID : 0);
  check(::posix_spawnattr_setflags(&attributes, static_cast<short>(flags)), "attributes");
  pid_t pid = -1;
  const int code = ::posix_spawn(&pid, arguments[0].c_str(), &actions, &attributes,
                                 pointers(arguments).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  check(code, arguments[0].c_str());
  return pid;
}

void collect(pid_t pid, Finished& result) {
  int status = 0;
  rusage usage = {};
  while (::wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  result.peak_bytes = std::int64_t{usage.ru_maxrss} * 1024;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
}

bool is_closed(const Invocation& what, int fd) {
  for (const int closed : what.closed) {
    if (closed == fd) return true;
  }
  return false;
}

}  // namespace

Finished run(const Invocation& what) {
  const int in = memory_file(), out = memory_file(), err = memory_file();
  if (::write(in, what.input.data(), what.input.size()) < 0) check(errno, "write");
  ::lseek(in, 0, SEEK_SET);
  int target = out;
  if (what.output) target = ::open(what.output->c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (what.output_has_no_reader) {
    int ends[2];
    make_pipe(ends);
    ::close(ends[0]);
    target = ends[1];
  }
  if (target < 0) check(errno, "standard output");
  const int fds[3] = {is_closed(what, 0) ? -1 : in, is_closed(what, 1) ? -1 : target,
                      is_closed(what, 2) ? -1 : err};
  Finished result;
  collect(spawn(what.arguments, what.environment, fds), result);
  result.out = content_of(out);
  result.err = content_of(err);
  if (target != out) ::close(target);
  for (const int fd : {in, out, err}) ::close(fd);
  return result;
}

Child::Child(std::vector<std::string> arguments) : errors_(memory_file()) {
  int in[2], out[2];
  make_pipe(in);
  make_pipe(out);
  pid_ = spawn(arguments, {}, {in[0], out[1], errors_});
  ::close(in[0]);
  ::close(out[1]);
  input_ = in[1];
  output_ = out[0];
}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_input();
  close_output();
  ::close(errors_);
}

void Child::write(const std::string& text) const {
  if (::write(input_, text.data(), text.size()) < 0) check(errno, "write to child");
}

void Child::close_input() {
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

void Child::close_output() {
  if (output_ >= 0) ::close(output_);
  output_ = -1;
}

std::string Child::read_line() const {
  std::string line;
  for (char c; ::read(output_, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

void Child::kill(int signal) const { ::kill(pid_, signal); }

Finished Child::wait() {
  Finished result;
  collect(pid_, result);
  pid_ = -1;
  if (output_ >= 0) {
    char block[4096];
    for (ssize_t n; (n = ::read(output_, block, sizeof(block))) > 0;) {
      result.out.append(block, static_cast<std::size_t>(n));
    }
  }
  result.err = content_of(errors_);
  return result;
}

TerminalChild::TerminalChild(std::vector<std::string> arguments)
    : terminal_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), errors_(memory_file()) {
  char name[64];
  if (terminal_ < 0 || ::grantpt(terminal_) != 0 || ::unlockpt(terminal_) != 0) {
    check(errno, "terminal");
  }
  check(::ptsname_r(terminal_, name, sizeof(name)), "ptsname_r");
  pid_ = spawn(arguments, {}, {-1, -1, errors_}, name);
}

TerminalChild::~TerminalChild() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(terminal_);
  ::close(errors_);
}

void TerminalChild::type(const std::string& keys) const {
  if (::write(terminal_, keys.data(), keys.size()) < 0) check(errno, "write to terminal");
}

std::string TerminalChild::read_until(const std::string& end) const {
  std::string text;
  for (char c; !text.ends_with(end) && ::read(terminal_, &c, 1) == 1;) {
    if (c != '\r') text += c;
  }
  return text;
}

Finished TerminalChild::wait() {
  Finished result;
  for (char c; ::read(terminal_, &c, 1) == 1;) {
    if (c != '\r') result.out += c;
  }
  collect(pid_, result);
  pid_ = -1;
  result.err = content_of(errors_);
  return result;
}

}  // namespace linnet::test
