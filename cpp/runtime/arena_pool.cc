#include "runtime/arena_pool.h"

#include <algorithm>
#include <utility>

#include "base/fork.h"

namespace zeroskip {

ArenaPool::Need::Need(ArenaPool& pool, size_t size) : pool_(pool) {
  const ForkGuard no_fork;
  const std::lock_guard lock(pool_.mutex_);
  entry_ = pool_.needs_.insert(size);
}

ArenaPool::Need::~Need() {
  {
    const ForkGuard no_fork;
    const std::lock_guard lock(pool_.mutex_);
    pool_.needs_.erase(entry_);
  }
  pool_.drop_unneeded();
}

ArenaPool::Block ArenaPool::take(size_t size) {
  Block block = reuse(size);
  if (block.size >= size && block.bytes) return block;
  block = Block{};  // one that was too small: its place is for the new one
  block = Block{allocate_aligned(size), size};
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  idle_.reserve(count_ + 1);  // so that give_back never allocates
  ++count_;
  bytes_ += size;
  return block;
}

// The smallest idle block that is large enough; else the largest, which leaves the pool for good; an empty one if
// there is none.
ArenaPool::Block ArenaPool::reuse(size_t size) {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return {};
  const auto best = std::min_element(idle_.begin(), idle_.end(), [size](const Block& a, const Block& b) {
    if (a.size >= size && b.size >= size) return a.size < b.size;
    return a.size > b.size;
  });
  if (best->size < size) return remove(best);
  Block block = std::move(*best);
  idle_.erase(best);
  return block;
}

void ArenaPool::give_back(Block block) noexcept {
  {
    const ForkGuard no_fork;
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(block));
  }
  drop_unneeded();
}

ArenaPool::Block ArenaPool::remove(std::vector<Block>::iterator block) noexcept {
  Block removed = std::move(*block);
  idle_.erase(block);
  --count_;
  bytes_ -= removed.size;
  return removed;
}

// Frees the idle blocks that are larger than any program needs, outside of the mutex.
void ArenaPool::drop_unneeded() noexcept {
  for (;;) {
    Block unneeded;
    const ForkGuard no_fork;
    const std::lock_guard lock(mutex_);
    const size_t most = needs_.empty() ? 0 : *needs_.rbegin();
    const auto larger =
        std::find_if(idle_.begin(), idle_.end(), [most](const Block& block) { return block.size > most; });
    if (larger == idle_.end()) return;
    unneeded = remove(larger);
  }
}

size_t ArenaPool::bytes() const {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace zeroskip
