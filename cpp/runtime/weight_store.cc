#include "runtime/weight_store.h"

#include <limits>
#include <new>

#include "runtime/fork.h"

namespace zeroskip {

AlignedFloats::AlignedFloats(size_t count) : size_(count) {
  if (count > std::numeric_limits<size_t>::max() / sizeof(float)) throw std::bad_alloc();
  bytes_ = allocate_aligned(count * sizeof(float));
}

WeightStore::Packed WeightStore::get(const std::string& key, const std::function<AlignedFloats()>& pack) {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  if (const auto found = blocks_.find(key); found != blocks_.end()) return found->second;
  auto packed = std::make_shared<const AlignedFloats>(pack());
  blocks_.emplace(key, packed);
  return packed;
}

size_t WeightStore::bytes() const {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [key, block] : blocks_) total += block->size() * sizeof(float);
  return total;
}

}  // namespace zeroskip
