// The memory of one run: arena and scratch, and every step's tensors resolved to addresses inside it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/tensor.h"

namespace zeroskip {

// What a workspace is built for. The referenced data belongs to the Program, which outlives its workspaces.
struct WorkspaceLayout {
  const std::vector<TensorSpec>* tensors;
  std::vector<std::vector<int>> step_inputs;
  std::vector<std::vector<int>> step_outputs;
  size_t arena_bytes;
  size_t scratch_bytes;
};

class Workspace {
 public:
  explicit Workspace(const WorkspaceLayout& layout);  // throws std::bad_alloc

  // Points tensor `index`, a graph input or output, at the caller's memory in every step that uses it.
  void bind_external(int index, float* data);

  std::span<const Tensor> inputs(size_t step) const { return step_inputs_[step]; }
  std::span<const Tensor> outputs(size_t step) const { return step_outputs_[step]; }
  std::byte* arena() const { return arena_.get(); }
  std::span<std::byte> scratch() const { return {scratch_.get(), scratch_bytes_}; }

 private:
  std::vector<Tensor> resolve(const std::vector<TensorSpec>& tensors, const std::vector<int>& indices);

  AlignedBytes arena_;
  AlignedBytes scratch_;
  size_t scratch_bytes_;
  std::vector<std::vector<Tensor>> step_inputs_;
  std::vector<std::vector<Tensor>> step_outputs_;
  std::vector<std::vector<Tensor*>> external_uses_;  // by tensor index
};

// Workspaces waiting for a run. Grows only when runs overlap.
class WorkspacePool {
 public:
  explicit WorkspacePool(WorkspaceLayout layout) : layout_(std::move(layout)) {}

  class Lease {
   public:
    Lease(WorkspacePool& pool, std::unique_ptr<Workspace> workspace)
        : pool_(pool), workspace_(std::move(workspace)) {}
    ~Lease() { pool_.give_back(std::move(workspace_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Workspace& operator*() const { return *workspace_; }

   private:
    WorkspacePool& pool_;
    std::unique_ptr<Workspace> workspace_;
  };

  Lease take();  // throws Error when memory for one more workspace is not to be had

 private:
  void give_back(std::unique_ptr<Workspace> workspace);

  WorkspaceLayout layout_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
  size_t created_ = 0;
};

}  // namespace zeroskip
