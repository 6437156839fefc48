#include "runtime/workspace.h"

#include <new>

#include "base/error.h"
#include "base/fork.h"

namespace zeroskip {

Workspace::Workspace(const WorkspaceLayout& layout)
    : arena_(allocate_aligned(layout.arena_bytes)),
      scratch_(allocate_aligned(layout.scratch_bytes)),
      scratch_bytes_(layout.scratch_bytes) {
  const std::vector<TensorSpec>& tensors = *layout.tensors;
  for (const auto& indices : layout.step_inputs) step_inputs_.push_back(resolve(tensors, indices));
  for (const auto& indices : layout.step_outputs) step_outputs_.push_back(resolve(tensors, indices));

  external_uses_.resize(tensors.size());
  const auto note_external = [&](const std::vector<std::vector<int>>& indices, auto& resolved) {
    for (size_t step = 0; step < indices.size(); ++step)
      for (size_t i = 0; i < indices[step].size(); ++i)
        if (resolved[step][i].data == nullptr)
          external_uses_[static_cast<size_t>(indices[step][i])].push_back(&resolved[step][i]);
  };
  note_external(layout.step_inputs, step_inputs_);
  note_external(layout.step_outputs, step_outputs_);
}

std::vector<Tensor> Workspace::resolve(const std::vector<TensorSpec>& tensors,
                                       const std::vector<int>& indices) {
  std::vector<Tensor> resolved;
  for (const int index : indices) {
    const TensorSpec& spec = tensors[static_cast<size_t>(index)];
    Tensor tensor{.spec = &spec};
    if (spec.offset != kExternalOffset) tensor.data = reinterpret_cast<float*>(arena_.get() + spec.offset);
    if (spec.masked) tensor.mask = reinterpret_cast<uint16_t*>(arena_.get() + spec.mask_offset);
    resolved.push_back(tensor);
  }
  return resolved;
}

void Workspace::bind_external(int index, float* data) {
  for (Tensor* use : external_uses_[static_cast<size_t>(index)]) use->data = data;
}

WorkspacePool::Lease WorkspacePool::take() {
  {
    const ForkGuard no_fork;
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(workspace));
    }
    ++created_;
    idle_.reserve(created_);  // so that give_back never allocates
  }
  try {
    return Lease(*this, std::make_unique<Workspace>(layout_));
  } catch (const std::bad_alloc&) {
    throw_error("out of memory: cannot allocate a workspace of ", layout_.arena_bytes, " + ",
                layout_.scratch_bytes, " bytes");
  }
}

void WorkspacePool::give_back(std::unique_ptr<Workspace> workspace) {
  const ForkGuard no_fork;
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(workspace));
}

}  // namespace zeroskip
