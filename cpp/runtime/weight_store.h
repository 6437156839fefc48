// Packed weights, shared by the programs of one session (one program per input shape).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/memory.h"

namespace zeroskip {

// A 64-byte aligned block of floats with slack after its end that kernels may over-read.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t count);  // zero-filled; throws std::bad_alloc
  float* data() { return reinterpret_cast<float*>(bytes_.get()); }
  const float* data() const { return reinterpret_cast<const float*>(bytes_.get()); }
  size_t size() const { return size_; }

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

  // The block stored under `key`, made by `pack` on first use. Thread-safe. A key names the constant and
  // everything its packed form depends on (layout, panel sizes), never only the constant.
  Packed get(const std::string& key, const std::function<AlignedFloats()>& pack);
  size_t bytes() const;

 private:
  Packed find(const std::string& key) const;  // null when there is none

  const WeightStore* base_;
  mutable std::mutex mutex_;
  std::map<std::string, Packed> blocks_;
};

}  // namespace zeroskip
