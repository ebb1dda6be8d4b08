#pragma once

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

namespace linnet::test {

/// Makes every later call of a system function by this process fail with `error`, or, when that is
/// 0, end the process as SIGKILL would: at the call, with nothing cleaned up. Cannot be undone, so
/// it is for children. False where the system does not allow it.
inline bool deny_system_call(long number, int error) {
  const auto call = static_cast<unsigned>(number);
  const unsigned verdict =
      error == 0 ? SECCOMP_RET_KILL_PROCESS
                 : SECCOMP_RET_ERRNO | (static_cast<unsigned>(error) & SECCOMP_RET_DATA);
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, verdict),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{4, rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// Runs `action` in a child process, which ends with what it returns. The status of waitpid.
template <class Action>
int in_child(Action&& action) {
  const pid_t child = fork();
  if (child == 0) _exit(action());
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

}  // namespace linnet::test
