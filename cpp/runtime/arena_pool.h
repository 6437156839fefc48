// Memory that the programs of one session take turns with, so that a further input shape costs none of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "base/memory.h"

namespace zeroskip {

// Blocks for runs: as many as runs have overlapped, none larger than the largest that a living program needs.
// Thread-safe.
class ArenaPool {
 public:
  struct Block {
    AlignedBytes bytes;
    size_t size = 0;
  };

  // A program's need of blocks of one size, as long as the object lives. The pool must outlive it.
  class Need {
   public:
    Need(ArenaPool& pool, size_t size);  // throws std::bad_alloc
    ~Need();
    Need(const Need&) = delete;
    Need& operator=(const Need&) = delete;

   private:
    ArenaPool& pool_;
    std::multiset<size_t>::iterator entry_;
  };

  Block take(size_t size);  // at least so large; throws std::bad_alloc
  void give_back(Block block) noexcept;
  size_t bytes() const;  // of all blocks, in use or not

 private:
  Block reuse(size_t size);
  Block remove(std::vector<Block>::iterator block) noexcept;
  void drop_unneeded() noexcept;

  mutable std::mutex mutex_;
  std::multiset<size_t> needs_;
  std::vector<Block> idle_;
  size_t count_ = 0, bytes_ = 0;  // of all blocks
};

}  // namespace zeroskip
