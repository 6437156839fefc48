#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include "base/fp_mode.h"
#include "base/task_trace.h"

namespace zeroskip {
namespace {

// How often a waiting thread looks before it gives its core away: long enough to bridge the gap between two
// steps of a network, short enough not to burn a core that someone else needs.
constexpr int kSpinsBeforeSleep = 2000;
constexpr int kSpinsBeforeYield = 200;
constexpr int kSpinsBetweenYields = 64;  // of a worker kept awake: somebody may need the core more

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::atomic<ThreadPool*> g_pool{nullptr};

}  // namespace

ThreadPool& ThreadPool::instance() {
  ThreadPool* pool = g_pool.load(std::memory_order_acquire);
  if (pool != nullptr) return *pool;
  auto* fresh = new ThreadPool();
  if (g_pool.compare_exchange_strong(pool, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *pool;
}

void ThreadPool::forget() { g_pool.store(nullptr, std::memory_order_relaxed); }

void ThreadPool::start_workers(int count) {
  for (; workers_ < count; ++workers_) {
    try {
      std::thread(&ThreadPool::work, this, workers_ + 1).detach();
    } catch (const std::system_error&) {
      return;  // the loop is finished by the threads there are
    }
  }
}

void ThreadPool::run(int num_threads, int64_t tasks, const void* body, Call call) {
  std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock.owns_lock() || tasks > static_cast<int64_t>(kTaskMask)) {
    for (int64_t task = 0; task < tasks; ++task) call(body, task, 0);
    return;
  }
  num_threads = std::min<int>(num_threads, static_cast<int>(kThreadMask));
  start_workers(static_cast<int>(std::min<int64_t>(num_threads, tasks)) - 1);
  body_.store(body, std::memory_order_relaxed);
  call_.store(call, std::memory_order_relaxed);
  unfinished_.store(tasks, std::memory_order_relaxed);
  const uint64_t threads = static_cast<uint64_t>(num_threads);
  state_.store((++loops_ << kThreadBits | threads) << 2 * kTaskBits | static_cast<uint64_t>(tasks));
  wake_.fetch_add(1);
  if (sleepers_.load() > 0) wake_.notify_all();
  finish_tasks(0);
  wait_until_done();
}

// Every other thread begins at the end: with two, each works on the same half of the picture in step after
// step, and finds what it wrote in its own cache.
bool ThreadPool::take_task(int thread, int64_t* task) {
  const bool takes_last = thread % 2 != 0;
  uint64_t state = state_.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t left = state & kTaskMask, first = state >> kTaskBits & kTaskMask;
    const bool allowed = static_cast<uint64_t>(thread) < (state >> 2 * kTaskBits & kThreadMask);
    if (left == 0 || !allowed) return false;
    const uint64_t rest = state - 1 + (takes_last ? 0 : kOneFirst);
    if (state_.compare_exchange_weak(state, rest, std::memory_order_acq_rel, std::memory_order_acquire)) {
      *task = static_cast<int64_t>(takes_last ? first + left - 1 : first);
      return true;
    }
  }
}

// The fields of the loop stay as they are until the task just taken is reported done.
void ThreadPool::finish_tasks(int thread) {
  int64_t task;
  while (take_task(thread, &task)) {
    const int64_t begin_ns = TaskTrace::is_on() ? TaskTrace::now_ns() : 0;
    call_.load(std::memory_order_relaxed)(body_.load(std::memory_order_relaxed), task, thread);
    if (begin_ns != 0) TaskTrace::add(thread, begin_ns, TaskTrace::now_ns());
    unfinished_.fetch_sub(1, std::memory_order_acq_rel);
  }
}

void ThreadPool::wait_until_done() {
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpinsBeforeYield)
      pause();
    else
      sched_yield();
  }
}

ThreadPool::Run::Run(int num_threads) {
  if (num_threads <= 1) return;
  pool_ = &ThreadPool::instance();
  pool_->awake_threads_.store(num_threads, std::memory_order_relaxed);
  pool_->runs_.fetch_add(1);
  if (pool_->sleepers_.load() > 0) {
    pool_->wake_.fetch_add(1);
    pool_->wake_.notify_all();
  }
}

ThreadPool::Run::~Run() {
  if (pool_ != nullptr) pool_->runs_.fetch_sub(1);
}

bool ThreadPool::keeps_awake(int thread) const {
  return runs_.load(std::memory_order_relaxed) == 1 &&
         thread < awake_threads_.load(std::memory_order_relaxed);
}

void ThreadPool::wait_for_work(int thread, uint32_t seen) {
  for (int spins = 1; wake_.load(std::memory_order_relaxed) == seen; ++spins) {
    if (keeps_awake(thread)) {
      if (spins % kSpinsBetweenYields == 0) sched_yield();
    } else if (spins >= kSpinsBeforeSleep) {
      sleepers_.fetch_add(1);
      wake_.wait(seen);
      sleepers_.fetch_sub(1);
      return;
    }
    pause();
  }
}

void ThreadPool::work(int thread) {
  const FlushDenormals flush;
  for (;;) {
    const uint32_t seen = wake_.load();
    finish_tasks(thread);
    wait_for_work(thread, seen);
  }
}

}  // namespace zeroskip
