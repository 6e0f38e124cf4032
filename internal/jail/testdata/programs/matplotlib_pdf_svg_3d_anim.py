# packages: python3-matplotlib
import matplotlib.pyplot as plt, numpy as np, os
from matplotlib.animation import FuncAnimation, PillowWriter
fig=plt.figure(); ax=fig.add_subplot(projection='3d'); X,Y=np.meshgrid(range(10),range(10)); ax.plot_surface(X,Y,X*Y); fig.savefig('a.pdf'); fig.savefig('a.svg')
f,a=plt.subplots(); l,=a.plot([0,1],[0,1]); FuncAnimation(f,lambda i:l.set_data([0,1],[0,i]),frames=3).save('a.gif',writer=PillowWriter(fps=5)); print([os.path.getsize(n)>100 for n in('a.pdf','a.svg','a.gif')])
