#pragma once

namespace linnet::cli {

/// SIGINT and SIGTERM are noted; a second one ends the process at once. SIGPIPE keeps its default:
/// a program whose reader has gone ends without a word. Standard descriptors that are closed are
/// filled, so that no file of ours takes their place; using them is then an error.
void prepare_process();

/// SIGINT or SIGTERM once one of them came, else 0.
int interrupted();

/// Forgets a SIGINT, for a command that it does not end: true if there was one.
bool take_interrupt();

/// Throws Interrupted once SIGINT or SIGTERM came. Long work calls it between steps.
void check_interrupt();

/// Returns once the descriptor can be read, or is at its end or broken. Throws Interrupted when a
/// signal comes, or came just before: a plain read would wait on.
void await_input(int fd);

}  // namespace linnet::cli
