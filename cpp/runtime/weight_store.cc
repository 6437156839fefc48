#include "runtime/weight_store.h"

#include <limits>
#include <new>

namespace zeroskip {

AlignedFloats::AlignedFloats(size_t count) : size_(count) {
  if (count > std::numeric_limits<size_t>::max() / sizeof(float)) throw std::bad_alloc();
  bytes_ = allocate_aligned(count * sizeof(float));
}

WeightStore::Packed WeightStore::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(key);
  return found == blocks_.end() ? nullptr : found->second;
}

WeightStore::Packed WeightStore::get(const std::string& key, const std::function<AlignedFloats()>& pack) {
  if (Packed known = base_ ? base_->find(key) : nullptr) return known;
  const std::lock_guard lock(mutex_);
  if (const auto found = blocks_.find(key); found != blocks_.end()) return found->second;
  auto packed = std::make_shared<const AlignedFloats>(pack());
  blocks_.emplace(key, packed);
  return packed;
}

size_t WeightStore::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [key, block] : blocks_) total += block->size() * sizeof(float);
  return total;
}

}  // namespace zeroskip
