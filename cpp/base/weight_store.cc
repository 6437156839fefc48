#include "base/weight_store.h"

#include <limits>
#include <new>

#include "base/fork.h"

namespace zeroskip {

AlignedFloats::AlignedFloats(size_t count) : size_(count) {
  if (count > std::numeric_limits<size_t>::max() / sizeof(float)) throw std::bad_alloc();
  bytes_ = allocate_aligned(count * sizeof(float));
}

std::shared_ptr<const void> WeightStore::find(const std::string& key) const {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(key);
  return found == blocks_.end() ? nullptr : found->second.block;
}

size_t WeightStore::bytes() const {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [key, entry] : blocks_) total += entry.bytes;
  return total;
}

}  // namespace zeroskip
