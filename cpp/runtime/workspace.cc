#include "runtime/workspace.h"

#include <new>

#include "base/error.h"
#include "base/fork.h"

namespace zeroskip {

size_t WorkspaceLayout::scratch_offset() const {
  return static_cast<size_t>(round_up(static_cast<int64_t>(arena_bytes) + kArenaSlackBytes, kAlignment));
}

Workspace::Workspace(const WorkspaceLayout& layout) : layout_(layout) {
  const std::vector<TensorSpec>& tensors = *layout.tensors;
  for (const auto& indices : layout.step_inputs) step_inputs_.push_back(resolve(indices));
  for (const auto& indices : layout.step_outputs) step_outputs_.push_back(resolve(indices));

  external_uses_.resize(tensors.size());
  const auto note_external = [&](const std::vector<std::vector<int>>& indices, auto& resolved) {
    for (size_t step = 0; step < indices.size(); ++step)
      for (size_t i = 0; i < indices[step].size(); ++i)
        if (resolved[step][i].spec->offset == kExternalOffset)
          external_uses_[static_cast<size_t>(indices[step][i])].push_back(&resolved[step][i]);
  };
  note_external(layout.step_inputs, step_inputs_);
  note_external(layout.step_outputs, step_outputs_);
}

std::vector<Tensor> Workspace::resolve(const std::vector<int>& indices) const {
  std::vector<Tensor> resolved;
  for (const int index : indices)
    resolved.push_back(Tensor{.spec = &(*layout_.tensors)[static_cast<size_t>(index)]});
  return resolved;
}

void Workspace::attach(ArenaPool::Block block) {
  block_ = std::move(block);
  if (resolved_for_ == arena()) return;
  resolved_for_ = arena();
  for (auto* steps : {&step_inputs_, &step_outputs_}) {
    for (std::vector<Tensor>& step : *steps) {
      for (Tensor& tensor : step) {
        const TensorSpec& spec = *tensor.spec;
        if (spec.offset != kExternalOffset) tensor.data = arena() + spec.offset;
        if (spec.masked) tensor.mask = reinterpret_cast<uint16_t*>(arena() + spec.mask_offset);
      }
    }
  }
}

void Workspace::bind_external(int index, std::byte* data) {
  for (Tensor* use : external_uses_[static_cast<size_t>(index)]) use->data = data;
}

WorkspacePool::WorkspacePool(WorkspaceLayout layout, std::shared_ptr<ArenaPool> memory)
    : layout_(std::move(layout)), memory_(std::move(memory)), need_(*memory_, layout_.block_bytes()) {}

WorkspacePool::Lease WorkspacePool::take() {
  try {
    std::unique_ptr<Workspace> workspace = idle_or_new();
    workspace->attach(memory_->take(layout_.block_bytes()));
    return Lease(*this, std::move(workspace));
  } catch (const std::bad_alloc&) {
    throw_error("out of memory: cannot allocate a workspace of ", layout_.arena_bytes, " + ",
                layout_.scratch_bytes, " bytes");
  }
}

std::unique_ptr<Workspace> WorkspacePool::idle_or_new() {
  {
    const ForkGuard no_fork;
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
    ++created_;
    idle_.reserve(created_);  // so that give_back never allocates
  }
  return std::make_unique<Workspace>(layout_);
}

void WorkspacePool::give_back(std::unique_ptr<Workspace> workspace) {
  memory_->give_back(workspace->detach());
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(workspace));
}

}  // namespace zeroskip
