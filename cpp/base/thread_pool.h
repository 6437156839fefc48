// The process-wide pool of worker threads behind parallel_for.
//
// Why not OpenMP: its loops end in a barrier that waits for every team member, also for one that the system
// has not scheduled yet. On a shared machine that made single runs ten times slower. Here the caller works
// too and waits only for tasks that a worker has really begun. One loop uses the pool at a time; a second
// session that runs meanwhile works through its loop alone, so that sessions neither wait for each other nor
// oversubscribe the cores.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace zeroskip {

class ThreadPool {
 public:
  using Call = void (*)(const void* body, int64_t task, int thread);

  // The pool of this process; a forked child gets a fresh one. Never destroyed: its threads end with the
  // process.
  static ThreadPool& instance();

  // The child of a fork has none of the parent's threads: drop the pool (its mutex may be held by one of
  // them).
  static void forget();

  // Keeps the workers of one run of a network from going to sleep between its steps, and wakes those that do.
  // A worker that sleeps when a short loop begins comes too late for it, the caller does everything alone,
  // the worker goes back to sleep, and so on: whole networks were seen to run on one core (two virtual Zen 4
  // cores, where waking one takes as long as a step, November 2026). Runs that overlap keep nobody awake:
  // then the cores have other work.
  class Run {
   public:
    explicit Run(int num_threads);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

   private:
    ThreadPool* pool_ = nullptr;  // null with one thread
  };

  // Runs every task, at most num_threads at a time, the calling thread among them, and returns when all are
  // done. Runs inline when the pool is busy, cannot start threads, or cannot count that many tasks.
  void run(int num_threads, int64_t tasks, const void* body, Call call);

 private:
  // The tasks not yet taken, a range, with the loop they belong to, in one word, so that a worker that wakes
  // up late can never take a task of a loop it has not read: from the lowest bit tasks left, first of them,
  // threads allowed, number of the loop.
  static constexpr int kTaskBits = 24;
  static constexpr int kThreadBits = 10;
  static constexpr uint64_t kTaskMask = (uint64_t{1} << kTaskBits) - 1;
  static constexpr uint64_t kThreadMask = (uint64_t{1} << kThreadBits) - 1;
  static constexpr uint64_t kOneFirst = uint64_t{1} << kTaskBits;

  void start_workers(int count);
  void work(int thread);
  void wait_for_work(int thread, uint32_t seen);
  bool keeps_awake(int thread) const;
  bool take_task(int thread, int64_t* task);
  void finish_tasks(int thread);
  void wait_until_done();

  std::mutex busy_;     // held while a loop runs
  int workers_ = 0;     // guarded by busy_
  uint64_t loops_ = 0;  // guarded by busy_

  // Of the current loop. Written before state_ announces it, read only after a task of it was taken.
  std::atomic<const void*> body_{nullptr};
  std::atomic<Call> call_{nullptr};

  alignas(64) std::atomic<uint64_t> state_{0};      // see above
  alignas(64) std::atomic<int64_t> unfinished_{0};  // tasks not yet done
  alignas(64) std::atomic<uint32_t> wake_{0};       // changes with every loop; sleepers wait on it
  std::atomic<int> sleepers_{0};
  std::atomic<int> runs_{0};           // that overlap now
  std::atomic<int> awake_threads_{0};  // of the run that began last
};

}  // namespace zeroskip
