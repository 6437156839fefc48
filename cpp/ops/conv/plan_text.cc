// ConvPlan for people.
#include <sstream>

#include "ops/conv/plan.h"

namespace zeroskip {
namespace {

const char* name_of(ConvInput input) {
  constexpr const char* kNames[] = {"pixels", "nchw rows", "nhwc rows"};
  return kNames[static_cast<size_t>(input)];
}

void print_layer(std::ostream& out, const ConvPlan& plan) {
  const ConvGeometry& g = plan.geometry;
  out << g.n << "x" << g.c << "x" << g.h << "x" << g.w << " -> " << g.o << "x" << g.oh << "x" << g.ow
      << ": kernel " << g.kh << "x" << g.kw << ", strides " << g.sh << "x" << g.sw << ", pads " << g.pad_top
      << " " << g.pad_left << " " << g.pad_bottom << " " << g.pad_right << ", dilations " << g.dh << "x"
      << g.dw << ", groups " << g.groups << " (" << plan.layout.groups << " of " << plan.layout.in << " -> "
      << plan.layout.out << ")\n";
  out << "input: " << name_of(plan.input) << (plan.gathers_input ? ", gathered" : "") << "\n";
  out << "algorithm: " << name_of(plan.algorithm);
  if (plan.algorithm == ConvAlgorithm::kAuto) {
    out << ", sparse up to density " << plan.crossover_density;
    if (plan.winograd) out << ", winograd above " << plan.winograd_density;
  } else if (plan.winograd) {
    out << ", computed by winograd";
  }
  out << "\nweights: " << traits(plan.storage).name << "\n";
}

void print_direct(std::ostream& out, const ConvPlan& plan) {
  const SparsePlan& sparse = plan.sparse;
  out << "sparse: " << (sparse.uses_row_pairs ? "row pairs" : "points") << ", " << sparse.blocks
      << " blocks, panels of " << sparse.panel_channels << " channels"
      << (sparse.expands_panels ? ", expanded" : "");
  if (sparse.full_tap >= 0) out << ", full tap " << sparse.full_tap;
  const DensePlan& dense = plan.dense;
  out << "\ndense: " << dense.blocks << " blocks, " << dense.taps << " taps of " << dense.channels
      << " channels, " << dense.tap_step << " at once\n";
  const ConvCut& cut = plan.cut;
  out << "tasks: " << cut.tiles << " tiles of " << cut.row_tile << "x" << cut.column_tile << " pixels, "
      << plan.layout.groups << " groups, " << cut.block_splits << " ranges of " << cut.block_step
      << " blocks; " << plan.num_threads << " threads\n";
}

}  // namespace

const char* name_of(ConvAlgorithm algorithm) {
  constexpr const char* kNames[] = {"auto", "sparse", "dense", "winograd"};
  return kNames[static_cast<size_t>(algorithm)];
}

std::string to_text(const ConvPlan& plan) {
  std::ostringstream out;
  print_layer(out, plan);
  print_direct(out, plan);
  if (const auto& winograd = plan.winograd)
    out << "winograd: " << winograd->outputs << "x" << winograd->outputs << " outputs, "
        << winograd->work.tiles << " tiles" << (plan.phases ? " of phases" : "") << ", "
        << winograd->schedule.tiles_per_task << " by " << winograd->schedule.slabs_per_task
        << " slabs in a task\n";
  out << "scratch bytes: " << plan.scratch.gathered << " gathered; per thread " << plan.scratch.acc
      << " accumulators, " << plan.scratch.pixel_list << " pixel list, " << plan.scratch.expanded
      << " expanded weights\n";
  return out.str();
}

}  // namespace zeroskip
