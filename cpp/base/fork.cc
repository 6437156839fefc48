#include "base/fork.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>

#include "base/thread_pool.h"

namespace zeroskip {
namespace {

// Guards held by all threads together; while a fork is under way, kForking more.
constexpr int kForking = 1 << 30;
std::atomic<int> g_guards{0};
thread_local int t_depth = 0;

void before_fork() {
  // A thread that forks inside a guard of its own (a handler of somebody else's, under malloc) must not wait
  // for itself.
  g_guards.fetch_add(kForking);
  while ((g_guards.load() & (kForking - 1)) > (t_depth > 0 ? 1 : 0)) sched_yield();
}

void after_fork_in_parent() { g_guards.fetch_sub(kForking); }

void after_fork_in_child() {
  g_guards.store(t_depth > 0 ? 1 : 0);
  ThreadPool::forget();
}

// When the library is loaded, before anything could fork.
[[maybe_unused]] const int g_registered =
    pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);

}  // namespace

ForkGuard::ForkGuard() {
  if (t_depth++ > 0) return;
  while (g_guards.fetch_add(1) >= kForking) {  // a fork is under way: step back until it is done
    g_guards.fetch_sub(1);
    while (g_guards.load() >= kForking) sched_yield();
  }
}

ForkGuard::~ForkGuard() {
  if (--t_depth == 0) g_guards.fetch_sub(1);
}

}  // namespace zeroskip
