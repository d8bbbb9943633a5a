"""First state of a training workflow: a training request becomes the members of CreateTrainingJob, or an error."""
