// What makes fork() safe while other threads are inside the core (pre-forking servers, multiprocessing).
#pragma once

namespace zeroskip {

// Held for as long as a thread holds a mutex of the core or has its data half changed: fork() waits until
// nobody does, so that the child inherits whole data and free mutexes. Guards of several threads do not
// exclude each other, and they nest.
class ForkGuard {
 public:
  ForkGuard();
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
};

}  // namespace zeroskip
