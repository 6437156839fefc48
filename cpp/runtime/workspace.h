// The memory of one run: arena and scratch, and every step's tensors resolved to addresses inside it.
// The memory itself is a block of the session's ArenaPool, taken for the run.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/tensor.h"
#include "runtime/arena_pool.h"

namespace zeroskip {

// What a workspace is built for. The referenced data belongs to the Program, which outlives its workspaces.
struct WorkspaceLayout {
  const std::vector<TensorSpec>* tensors;
  std::vector<std::vector<int>> step_inputs;
  std::vector<std::vector<int>> step_outputs;
  size_t arena_bytes;
  size_t scratch_bytes;

  size_t scratch_offset() const;  // behind the arena and what kernels may over-read of it
  size_t block_bytes() const { return scratch_offset() + scratch_bytes; }
};

class Workspace {
 public:
  explicit Workspace(const WorkspaceLayout& layout);

  // Lets it live in a block; the external tensors have to be bound anew.
  void attach(ArenaPool::Block block);
  ArenaPool::Block detach() { return std::move(block_); }

  // Points tensor `index`, a graph input or output, at the caller's memory in every step that uses it.
  void bind_external(int index, std::byte* data);

  std::span<const Tensor> inputs(size_t step) const { return step_inputs_[step]; }
  std::span<const Tensor> outputs(size_t step) const { return step_outputs_[step]; }
  std::byte* arena() const { return block_.bytes.get(); }
  std::span<std::byte> scratch() const { return {arena() + layout_.scratch_offset(), layout_.scratch_bytes}; }

 private:
  std::vector<Tensor> resolve(const std::vector<int>& indices) const;

  const WorkspaceLayout& layout_;
  ArenaPool::Block block_;
  const std::byte* resolved_for_ = nullptr;  // the start of the block that the addresses lie in
  std::vector<std::vector<Tensor>> step_inputs_;
  std::vector<std::vector<Tensor>> step_outputs_;
  std::vector<std::vector<Tensor*>> external_uses_;  // by tensor index
};

// Workspaces waiting for a run. Grows only when runs overlap.
class WorkspacePool {
 public:
  WorkspacePool(WorkspaceLayout layout, std::shared_ptr<ArenaPool> memory);

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
  std::unique_ptr<Workspace> idle_or_new();
  void give_back(std::unique_ptr<Workspace> workspace);

  WorkspaceLayout layout_;
  std::shared_ptr<ArenaPool> memory_;
  ArenaPool::Need need_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
  size_t created_ = 0;
};

}  // namespace zeroskip
