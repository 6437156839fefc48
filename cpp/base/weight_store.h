// Packed weights, shared by the programs of one session (one program per input shape).
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include "base/fork.h"
#include "base/memory.h"

namespace zeroskip {

// A 64-byte aligned block of floats with slack after its end that kernels may over-read.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t count);  // zero-filled; throws std::bad_alloc
  float* data() { return reinterpret_cast<float*>(bytes_.get()); }
  const float* data() const { return reinterpret_cast<const float*>(bytes_.get()); }
  size_t size() const { return size_; }
  size_t bytes() const { return size_ * sizeof(float); }

 private:
  AlignedBytes bytes_;
  size_t size_ = 0;
};

class WeightStore {
 public:
  using Packed = std::shared_ptr<const AlignedFloats>;

  // With a base, blocks that it has are taken from there, and others do not get into it. The base must
  // outlive this store.
  explicit WeightStore(const WeightStore* base = nullptr) : base_(base) {}

  // The block stored under `key`, made by `pack` on first use: whatever type that returns, if it has bytes().
  // Thread-safe. A key names the constant and everything its packed form depends on (type, layout, panel
  // sizes), never only the constant.
  template <typename Pack>
  auto get(const std::string& key, const Pack& pack) {
    using Block = std::invoke_result_t<Pack>;
    if (const auto known = base_ ? base_->find(key) : nullptr)
      return std::static_pointer_cast<const Block>(known);
    const ForkGuard no_fork;
    const std::lock_guard lock(mutex_);
    if (const auto found = blocks_.find(key); found != blocks_.end())
      return std::static_pointer_cast<const Block>(found->second.block);
    auto block = std::make_shared<const Block>(pack());
    blocks_.emplace(key, Entry{block, block->bytes()});
    return block;
  }
  size_t bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const void> block;
    size_t bytes;
  };
  std::shared_ptr<const void> find(const std::string& key) const;  // null when there is none

  const WeightStore* base_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> blocks_;
};

}  // namespace zeroskip
